"""States and provinces of US and CA: their two-letter codes, and the names under which people write them.

CyberSource takes the code alone. The card form knows the same table (``STATES`` in ``checkout.js``); a test compares.

Source: USPS Publication 28, appendix B; Canada Post addressing guidelines; older abbreviations as the Associated Press
and the Canadian Style have them; names in French (Canada) and Spanish (US), in which people fill in the same forms.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

#: Country -> code -> names. How a name is spelled (case, accents, blanks, dots, ``&``) makes no difference.
STATES: Mapping[str, Mapping[str, str]] = {
    "US": {
        "AL": "Alabama|Ala",
        "AK": "Alaska|Alas",
        "AZ": "Arizona|Ariz",
        "AR": "Arkansas|Ark",
        "CA": "California|Calif|Cal|Cali",
        "CO": "Colorado|Colo|Col",
        "CT": "Connecticut|Conn",
        "DE": "Delaware|Del",
        "DC": (
            "District of Columbia|Dist of Columbia|D of C|Dist of Col|Washington DC|Wash DC|"
            "Washington District of Columbia|Distrito de Columbia"
        ),
        "FL": "Florida|Fla|Flor",
        "GA": "Georgia",
        "HI": "Hawaii|Hawai",
        "ID": "Idaho|Ida",
        "IL": "Illinois|Ill|Ills",
        "IN": "Indiana|Ind",
        "IA": "Iowa",
        "KS": "Kansas|Kan|Kans",
        "KY": "Kentucky|Ken|Kent",
        "LA": "Louisiana|Luisiana",
        "ME": "Maine",
        "MD": "Maryland",
        "MA": "Massachusetts|Mass",
        "MI": "Michigan|Mich",
        "MN": "Minnesota|Minn",
        "MS": "Mississippi|Miss|Misisipi",
        "MO": "Missouri|Misuri",
        "MT": "Montana|Mont",
        "NE": "Nebraska|Neb|Nebr",
        "NV": "Nevada|Nev",
        "NH": "New Hampshire|N Hampshire|New Hamp|N Hamp|Nuevo Hampshire|Nueva Hampshire",
        "NJ": "New Jersey|N Jersey|Nueva Jersey",
        "NM": "New Mexico|N Mexico|N Mex|New Mex|Nuevo Mexico",
        "NY": "New York|N York|Nueva York",
        "NC": "North Carolina|N Carolina|No Carolina|N Car|No Car|North Car|Carolina del Norte",
        "ND": "North Dakota|N Dakota|No Dakota|N Dak|No Dak|North Dak|Dakota del Norte",
        "OH": "Ohio",
        "OK": "Oklahoma|Okla",
        "OR": "Oregon|Ore|Oreg",
        "PA": "Pennsylvania|Penn|Penna|Pennsilvania|Pensilvania",
        "RI": "Rhode Island|Rhode Is|R Island",
        "SC": "South Carolina|S Carolina|So Carolina|S Car|So Car|South Car|Carolina del Sur",
        "SD": "South Dakota|S Dakota|So Dakota|S Dak|So Dak|South Dak|Dakota del Sur",
        "TN": "Tennessee|Tenn",
        "TX": "Texas|Tex|Tejas",
        "UT": "Utah",
        "VT": "Vermont",
        "VA": "Virginia|Virg",
        "WA": "Washington|Wash",
        "WV": "West Virginia|W Virginia|W Va|West Va|W Virg|West Virg|Virginia Occidental",
        "WI": "Wisconsin|Wis|Wisc",
        "WY": "Wyoming|Wyo",
        "AS": "American Samoa|Am Samoa|Samoa|Samoa Americana",
        "GU": "Guam",
        "MP": (
            "Northern Mariana Islands|Northern Marianas|N Mariana Islands|No Mariana Islands|"
            "Northern Mariana Is|CNMI|Saipan|Islas Marianas del Norte"
        ),
        "PR": "Puerto Rico|P Rico|Porto Rico",
        "VI": "Virgin Islands|American Virgin Islands|Virgin Is|USVI|Islas Virgenes|Islas Virgenes Americanas",
        "UM": "Minor Outlying Islands|Outlying Islands",
        "FM": "Micronesia|Federated States of Micronesia|FSM",
        "MH": "Marshall Islands|Republic of the Marshall Islands|RMI",
        "PW": "Palau|Republic of Palau",
        "AA": (
            "Armed Forces Americas|Armed Forces the Americas|Armed Forces America|"
            "Armed Forces of the Americas|Armed Forces Americas except Canada|Military Americas|Military America"
        ),
        "AE": (
            "Armed Forces Europe|Armed Forces Africa|Armed Forces Canada|Armed Forces Middle East|"
            "Armed Forces Europe the Middle East and Canada|Armed Forces Europe Middle East Canada|"
            "Armed Forces Africa Canada Europe Middle East|Armed Forces Europe Middle East and Canada|"
            "Armed Forces Europe the Middle East Africa and Canada|Military Europe"
        ),
        "AP": "Armed Forces Pacific|Armed Forces the Pacific|Military Pacific",
    },
    "CA": {
        "AB": "Alberta|Alta|Alb",
        "BC": "British Columbia|British Colombia|Brit Columbia|Brit Col|British Col|Colombie Britannique|CB",
        "MB": "Manitoba|Man",
        "NB": "New Brunswick|N Brunswick|New Bruns|Nouveau Brunswick",
        "NL": (
            "Newfoundland and Labrador|Newfoundland Labrador|Newfoundland and Lab|Newfoundland|Newf|"
            "Labrador|Nfld and Labrador|"
            "Nfld and Lab|Nfld Labrador|Nfld Lab|Nfld|Nfl|NF|LB|Lab|Terre Neuve et Labrador|"
            "Terre Neuve|TNL"
        ),
        "NS": "Nova Scotia|N Scotia|Nova Sc|Nouvelle Ecosse|NE",
        "NT": (
            "Northwest Territories|North West Territories|Northwest Territory|Northwest Terr|NW Territories|NW Terr|"
            "NWT|Territoires du Nord Ouest|TNO"
        ),
        "NU": "Nunavut|Nun|Nvt",
        "ON": "Ontario|Ont",
        "PE": (
            "Prince Edward Island|Prince Edward Isl|Prince Edward Is|Prince Edward I|Prince Ed Island|"
            "Pr Edward Island|P E Island|PEI|"
            "Ile du Prince Edouard|L Ile du Prince Edouard|IPE"
        ),
        "QC": "Quebec|Que|PQ",
        "SK": "Saskatchewan|Sask|Sas",
        "YT": "Yukon|Yukon Terr|Territoire du Yukon|Yuk|YK",
    },
}

#: Longer than any name with all that people write around it.
_LONGEST = 100

_NOT_A_LETTER = re.compile(r"[^A-Z]")
#: What is written around a name, letters alone: the country before or after it, and what sort of place it is.
_COUNTRY = {
    "US": (
        re.compile(r"^(?:USA?|UNITEDSTATES(?:OFAMERICA)?)(?=..)"),
        re.compile(r"(..)(?:UNITEDSTATES(?:OFAMERICA)?|USA?)$"),
    ),
    "CA": (re.compile(r"^CA(?:NADA)?(?=..)"), re.compile(r"(..)CA(?:N(?:ADA)?)?$")),
}
#: In ``US Alabama`` the A is the name's, in ``USA Louisiana`` the country's.
_OR_US = re.compile(r"^US(?=A..)")
_KIND = re.compile(
    r"^(?:THE)?(?:STATE|COMMONWEALTH|PROVINCE|PROV|TERRITORY)(?:OF|DE|DU)(?:THE)?|^THE|(?:STATE|PROVINCE|TERRITORY)$"
    r"|^(?:ARMEDFORCES|MILITARY|(?:[AFD]PO)+)(?=A[AEP]$)"
)


def _letters(text: str) -> str:
    """The letters A to Z alone, in capitals, without accents: how two spellings of one name are compared."""
    plain = unicodedata.normalize("NFKD", text[:_LONGEST]).upper().replace("&", "AND")
    return _NOT_A_LETTER.sub("", plain)


_CODES = {
    country: {
        **{_letters(name): code for code, names in states.items() for name in names.split("|")},
        **{code: code for code in states},
    }
    for country, states in STATES.items()
}


def state_code(value: str, country: str) -> str:
    """Return the two-letter code of a state of US or CA, from the code or a name; "" when it is none of them.

    ``Calif.``, ``CA - California``, ``US-CA`` and ``State of California`` are all ``CA``.
    """
    codes = _CODES[country]
    letters = _letters(value)
    before, after = _COUNTRY[country]
    home, american = (after.sub(r"\1", first.sub("", letters)) for first in (before, _OR_US))
    for wanted in (letters, home, _KIND.sub("", home), american):
        if wanted in codes:
            return codes[wanted]
        for one, other in ((wanted[:2], wanted[2:]), (wanted[-2:], wanted[:-2])):
            if other and one in codes.values() and codes.get(other) == one:
                return one
    return ""
