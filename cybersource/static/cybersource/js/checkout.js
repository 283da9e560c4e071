// Takes a card on the shop's page and posts it to CyberSource; the shop's server never sees it.
//
//   shopper types -> checked here -> [order placed, without the card] -> payment states read
//                 -> editable fields filled -> one form posted to CyberSource
//
// Three parts, top to bottom: what a card is (pure functions), how a payment is made (pay, continuePayment: no page
// needed), and the page itself (forms that carry data-cybersource-card-form, pages with data-cybersource-continue).
// No dependency, no storage, no console, no inline style: `script-src 'self'` is enough.

// ------------------------------------------------------------------------------------------------- what a card is

/** CyberSource's card_type codes. Brand names are not translated. */
export const CARD_TYPES = Object.freeze({
    "001": "Visa", "002": "Mastercard", "003": "American Express", "004": "Discover", "005": "Diners Club",
    "006": "Carte Blanche", "007": "JCB", "014": "EnRoute", "021": "JAL", "024": "Maestro (UK)", "027": "Nicos",
    "031": "Delta", "033": "Visa Electron", "034": "Dankort", "036": "Cartes Bancaires", "037": "Carta Si",
    "042": "Maestro", "043": "GE Money UK", "050": "Hipercard", "053": "Orico", "054": "Elo", "055": "Private label",
    "060": "mada", "061": "RuPay", "062": "UnionPay",
});

const PRIVATE_LABEL = "055";
const FOURS = [4, 4, 4, 4, 3];
const MASTERCARD = ["51-55", "2221-2720"];

// The most specific number ranges come first: an Elo card may begin like a Visa, a UnionPay card like a Discover.
// `onRequest`: told apart only in shops that list the type, since elsewhere the wider brand is right.
// `shares`: such cards also carry another brand, and the law of some countries lets the shopper choose.
const BRANDS = [
    { code: "050", starts: ["384100", "384140", "384160", "606282", "637095", "637568", "637599", "637609", "637612"], lengths: [13, 16, 19] },
    { code: "054", starts: ["401178-401179", "431274", "438935", "451416", "457393", "457631-457632", "504175",
        "506699-506778", "509000-509999", "627780", "636297", "636368", "650031-650033", "650035-650051", "650405-650439",
        "650485-650538", "650541-650598", "650700-650718", "650720-650727", "650901-650978", "651652-651679",
        "655000-655019", "655021-655058"], lengths: [16] },
    { code: "034", starts: ["5019"], lengths: [16] },
    { code: "024", starts: ["6759", "676770", "676774"], lengths: [12, 13, 14, 15, 16, 17, 18, 19] },
    { code: "003", starts: ["34", "37"], lengths: [15], cvn: 4, groups: [4, 6, 5] },
    { code: "006", starts: ["389"], lengths: [14], groups: [4, 6, 4], onRequest: true },
    { code: "005", starts: ["300-305", "3095", "36", "38-39"], lengths: [14, 15, 16, 17, 18, 19], groups: [4, 6, 4, 5] },
    { code: "007", starts: ["3528-3589"], lengths: [16, 17, 18, 19] },
    { code: "014", starts: ["2014", "2149"], lengths: [15], onRequest: true },
    { code: "002", starts: MASTERCARD, lengths: [16] },
    { code: "062", starts: ["62", "8100-8171"], lengths: [16, 17, 18, 19] },
    { code: "004", starts: ["6011", "622126-622925", "644-649", "65"], lengths: [16, 17, 18, 19] },
    { code: "033", starts: ["4026", "417500", "4508", "4844", "4913", "4917"], lengths: [16], onRequest: true },
    { code: "001", starts: ["4"], lengths: [13, 16, 19] },
    { code: "042", starts: ["50", "56-58", "6000", "63", "67", "69"], lengths: [12, 13, 14, 15, 16, 17, 18, 19] },
    { code: "036", starts: ["4", ...MASTERCARD], lengths: [16], onRequest: true, shares: true },
    { code: "031", starts: ["4"], lengths: [16], onRequest: true, shares: true },
].map((brand) => Object.freeze({ cvn: 3, groups: FOURS, ...brand, name: CARD_TYPES[brand.code] }));

// National schemes whose numbers look like another brand's and are none of it. Those with a code are taken where the
// shop lists it, or lists nothing; the others CyberSource has no code for, so that they are refused by their names.
// `elsewhere`: runs on another brand's network abroad, so that a shop which lists nothing leaves the choice to the shopper.
const NATIONAL = [
    { name: "Mir", starts: ["2200-2204"], lengths: [16, 17, 18, 19] },
    { name: "PayPak", starts: ["2205"], lengths: [16] },
    { name: "Troy", starts: ["9792"], lengths: [16], elsewhere: true },
    { name: "Verve", starts: ["506099-506198", "507865-507964", "650002-650027"], lengths: [16, 18, 19], elsewhere: true },
    { name: "Carnet", starts: ["286900", "502275", "506199-506499", "588772", "604622", "606333", "627535", "636318",
        "636379", "639388", "639484", "639559"], lengths: [16] },
    { name: "Meeza", starts: ["507803", "507808-507810"], lengths: [16, 17, 18, 19] },
    { name: "Naranja", starts: ["589562"], lengths: [16] },
    { name: "Cabal", starts: ["589657", "604201-604219", "604400-604499"], lengths: [16] },
    { name: "Uzcard", starts: ["5614", "8600"], lengths: [16] },
    { name: "Humo", starts: ["9860"], lengths: [16] },
    { name: "Belkart", starts: ["9112"], lengths: [16] },
    { name: "ArCa", starts: ["9051"], lengths: [16] },
    { name: "NAPAS", starts: ["9704"], lengths: [16, 17, 18, 19] },
    { name: "PROSTIR", starts: ["9804"], lengths: [16, 17, 18, 19] },
    { name: "GPN", starts: ["1946"], lengths: [16] },
    { name: "LankaPay", starts: ["357111"], lengths: [16] },
    { code: "060", starts: ["504300", "506968", "508160", "585265", "588845-588851", "588982-588983", "589005", "589206",
        "604906", "605141", "636120", "968201-968211"], lengths: [16] },
    { code: "061", starts: ["508227", "508500-508999", "606985-607984", "608001-608500", "652150-653149",
        "817200-820199"], lengths: [16] },
].map((brand) => Object.freeze({ code: "", cvn: 3, groups: FOURS, name: CARD_TYPES[brand.code], ...brand }));

const ofCode = (code) => (code ? [...BRANDS, ...NATIONAL].find((known) => known.code === code) : undefined);

const UNKNOWN_BRAND = Object.freeze({
    code: "", name: "", cvn: null, groups: FOURS, lengths: [12, 13, 14, 15, 16, 17, 18, 19],
});

function startsWithin(number, range) {
    const [low, high = low] = range.split("-");
    const start = number.slice(0, low.length);
    return start.length === low.length && start >= low && start <= high;
}

function codes(accepted) {
    const listed = typeof accepted === "string" ? accepted.split(",") : [...accepted ?? []];
    return listed.map((code) => String(code).trim()).filter(Boolean).map((code) => code.padStart(3, "0"));
}

/** The digits of a text, whatever script they are written in: full-width and Arabic digits become 0-9. */
export function digitsOf(text) {
    return Array.from(String(text ?? "").matchAll(/\p{Nd}/gu), ([digit]) => {
        if (digit <= "9") return digit;
        // Decimal digits of any script stand in runs of ten; count back to the run's zero.
        let point = digit.codePointAt(0);
        let value = 0;
        while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(point - 1))) {
            point -= 1;
            value += 1;
        }
        return String(value);
    }).join("");
}

export function luhnValid(number) {
    const digits = digitsOf(number);
    if (!digits || /^0+$/.test(digits)) return false;
    let sum = 0;
    for (let place = 0; place < digits.length; place += 1) {
        const digit = Number(digits[digits.length - 1 - place]);
        sum += place % 2 ? (digit * 2 > 9 ? digit * 2 - 9 : digit * 2) : digit;
    }
    return sum % 10 === 0;
}

function nationalOf(digits) {
    return NATIONAL.find((brand) => brand.starts.some((range) => startsWithin(digits, range)));
}

/** The scheme of a number, whether the shop takes it or not; null when its first digits do not tell. */
export function schemeOf(number) {
    return nationalOf(digitsOf(number)) ?? brandOf(number);
}

/** Every brand a number may be, the likeliest first; `accepted` limits them to the shop's types ("001,002" or a list). */
export function brandsOf(number, accepted) {
    const digits = digitsOf(number);
    const allowed = codes(accepted);
    const national = nationalOf(digits);
    if (national) return national.code && (!allowed.length || allowed.includes(national.code)) ? [national] : [];
    const matching = BRANDS.filter((brand) =>
        (allowed.length ? allowed.includes(brand.code) : !brand.onRequest)
        && brand.starts.some((range) => startsWithin(digits, range)));
    return [...matching.filter((brand) => !brand.shares).slice(0, 1), ...matching.filter((brand) => brand.shares)];
}

/** The brand of a number, told by its first digits, or null when they do not tell. */
export function brandOf(number, accepted) {
    return brandsOf(number, accepted)[0] ?? null;
}

/** The number as people read it: 4111 1111 1111 1111, 3782 822463 10005. */
export function grouped(number, brand = brandOf(number)) {
    let rest = digitsOf(number);
    const parts = [];
    for (const size of (brand ?? UNKNOWN_BRAND).groups) {
        if (!rest) break;
        parts.push(rest.slice(0, size));
        rest = rest.slice(size);
    }
    return (rest ? [...parts, rest] : parts).join(" ");
}

/** What is wrong with a card number: a text key, or null. `type` is the shopper's own choice of brand, if any. */
export function numberProblem(number, { accepted, type } = {}) {
    const digits = digitsOf(number);
    if (!digits) return "number-required";
    const told = brandOf(digits, accepted);
    const scheme = schemeOf(digits);
    const allowed = codes(accepted);
    // A card of the shop's own may have any number.
    const mayBe = scheme && NATIONAL.includes(scheme) && (allowed.length ? allowed.includes(PRIVATE_LABEL) : scheme.elsewhere);
    const refused = told || mayBe ? null : scheme;
    const chosen = ofCode(type);
    const brand = told ?? refused ?? (chosen?.shares ? null : chosen) ?? UNKNOWN_BRAND;
    if (!brand.lengths.includes(digits.length)) {
        return digits.length > Math.max(...brand.lengths) ? "number-long" : "number-short";
    }
    if (!luhnValid(digits)) return "number-mistyped";
    return refused ? "number-refused" : null;
}

/** The months of an expiry date as people, autofill and password managers write it, or null. */
export function parseExpiry(text) {
    const plain = String(text ?? "").replace(/\p{Nd}/gu, (digit) => digitsOf(digit)).trim();
    const bare = /^\d+$/.test(plain) ? plain : null;
    let month;
    let year;
    let match;
    if ((match = /^(\d{4})\s*[-/. ]\s*(\d{1,2})$/.exec(plain))) [, year, month] = match;
    else if ((match = /^(\d{1,2})\s*[-/. ]\s*(\d{4}|\d{2})$/.exec(plain))) [, month, year] = match;
    else if (bare?.length === 6 && Number(bare.slice(0, 2)) > 12) [year, month] = [bare.slice(0, 4), bare.slice(4)];
    else if (bare && [4, 6].includes(bare.length)) [month, year] = [bare.slice(0, 2), bare.slice(2)];
    else if (bare?.length === 3) [month, year] = [bare.slice(0, 1), bare.slice(1)];
    else return null;
    month = Number(month);
    year = Number(year) + (year.length === 2 ? 2000 : 0);
    return month >= 1 && month <= 12 ? { month, year } : null;
}

/** An expiry date as CyberSource wants it, `MM-yyyy`; an empty string when the text is no month. */
export function toExpiry(text) {
    const date = parseExpiry(text);
    return date ? `${String(date.month).padStart(2, "0")}-${date.year}` : "";
}

/** What is wrong with an expiry date: a text key, or null. A card is good to the end of its month. */
export function expiryProblem(text, now = new Date()) {
    if (!String(text ?? "").trim()) return "expiry-required";
    const date = parseExpiry(text);
    if (!date) return "expiry-unreadable";
    const months = (date.year - now.getFullYear()) * 12 + date.month - 1 - now.getMonth();
    if (months < 0) return "expiry-past";
    return months > 12 * 20 ? "expiry-far" : null;
}

export function cvnProblem(cvn, brand) {
    const digits = digitsOf(cvn);
    if (!digits) return "cvn-required";
    const right = brand?.cvn ? digits.length === brand.cvn : digits.length === 3 || digits.length === 4;
    return right ? null : (brand?.cvn === 4 ? "cvn-four" : "cvn-three");
}

/** A phone number as CyberSource takes it: 6 to 15 digits. */
export function phoneProblem(phone) {
    const digits = digitsOf(phone);
    return !String(phone ?? "").trim() || (digits.length >= 6 && digits.length <= 15) ? null : "phone-unreadable";
}

// ------------------------------------------------------------------------------------- the billing address, if asked

// Of each code every name under which people write it: the table of cybersource/protocol/regions.py, and a test holds the two
// together. It is JSON up to the semicolon.
const STATES = {
    "US": {
        "AL": "Alabama|Ala", "AK": "Alaska|Alas", "AZ": "Arizona|Ariz", "AR": "Arkansas|Ark",
        "CA": "California|Calif|Cal|Cali", "CO": "Colorado|Colo|Col", "CT": "Connecticut|Conn", "DE": "Delaware|Del",
        "DC": "District of Columbia|Dist of Columbia|D of C|Dist of Col|Washington DC|Wash DC|Washington District of Columbia|Distrito de Columbia",
        "FL": "Florida|Fla|Flor", "GA": "Georgia", "HI": "Hawaii|Hawai", "ID": "Idaho|Ida", "IL": "Illinois|Ill|Ills",
        "IN": "Indiana|Ind", "IA": "Iowa", "KS": "Kansas|Kan|Kans", "KY": "Kentucky|Ken|Kent",
        "LA": "Louisiana|Luisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts|Mass", "MI": "Michigan|Mich",
        "MN": "Minnesota|Minn", "MS": "Mississippi|Miss|Misisipi", "MO": "Missouri|Misuri", "MT": "Montana|Mont",
        "NE": "Nebraska|Neb|Nebr", "NV": "Nevada|Nev",
        "NH": "New Hampshire|N Hampshire|New Hamp|N Hamp|Nuevo Hampshire|Nueva Hampshire",
        "NJ": "New Jersey|N Jersey|Nueva Jersey", "NM": "New Mexico|N Mexico|N Mex|New Mex|Nuevo Mexico",
        "NY": "New York|N York|Nueva York", "NC": "North Carolina|N Carolina|No Carolina|N Car|No Car|North Car|Carolina del Norte",
        "ND": "North Dakota|N Dakota|No Dakota|N Dak|No Dak|North Dak|Dakota del Norte", "OH": "Ohio", "OK": "Oklahoma|Okla",
        "OR": "Oregon|Ore|Oreg", "PA": "Pennsylvania|Penn|Penna|Pennsilvania|Pensilvania",
        "RI": "Rhode Island|Rhode Is|R Island", "SC": "South Carolina|S Carolina|So Carolina|S Car|So Car|South Car|Carolina del Sur",
        "SD": "South Dakota|S Dakota|So Dakota|S Dak|So Dak|South Dak|Dakota del Sur", "TN": "Tennessee|Tenn", "TX": "Texas|Tex|Tejas",
        "UT": "Utah", "VT": "Vermont", "VA": "Virginia|Virg", "WA": "Washington|Wash",
        "WV": "West Virginia|W Virginia|W Va|West Va|W Virg|West Virg|Virginia Occidental", "WI": "Wisconsin|Wis|Wisc",
        "WY": "Wyoming|Wyo", "AS": "American Samoa|Am Samoa|Samoa|Samoa Americana", "GU": "Guam",
        "MP": "Northern Mariana Islands|Northern Marianas|N Mariana Islands|No Mariana Islands|Northern Mariana Is|CNMI|Saipan|Islas Marianas del Norte",
        "PR": "Puerto Rico|P Rico|Porto Rico",
        "VI": "Virgin Islands|American Virgin Islands|Virgin Is|USVI|Islas Virgenes|Islas Virgenes Americanas",
        "UM": "Minor Outlying Islands|Outlying Islands", "FM": "Micronesia|Federated States of Micronesia|FSM",
        "MH": "Marshall Islands|Republic of the Marshall Islands|RMI", "PW": "Palau|Republic of Palau",
        "AA": "Armed Forces Americas|Armed Forces the Americas|Armed Forces America|Armed Forces of the Americas|Armed Forces Americas except Canada|Military Americas|Military America",
        "AE": "Armed Forces Europe|Armed Forces Africa|Armed Forces Canada|Armed Forces Middle East|Armed Forces Europe the Middle East and Canada|Armed Forces Europe Middle East Canada|Armed Forces Africa Canada Europe Middle East|Armed Forces Europe Middle East and Canada|Armed Forces Europe the Middle East Africa and Canada|Military Europe",
        "AP": "Armed Forces Pacific|Armed Forces the Pacific|Military Pacific"
    },
    "CA": {
        "AB": "Alberta|Alta|Alb", "BC": "British Columbia|British Colombia|Brit Columbia|Brit Col|British Col|Colombie Britannique|CB",
        "MB": "Manitoba|Man", "NB": "New Brunswick|N Brunswick|New Bruns|Nouveau Brunswick",
        "NL": "Newfoundland and Labrador|Newfoundland Labrador|Newfoundland and Lab|Newfoundland|Newf|Labrador|Nfld and Labrador|Nfld and Lab|Nfld Labrador|Nfld Lab|Nfld|Nfl|NF|LB|Lab|Terre Neuve et Labrador|Terre Neuve|TNL",
        "NS": "Nova Scotia|N Scotia|Nova Sc|Nouvelle Ecosse|NE",
        "NT": "Northwest Territories|North West Territories|Northwest Territory|Northwest Terr|NW Territories|NW Terr|NWT|Territoires du Nord Ouest|TNO",
        "NU": "Nunavut|Nun|Nvt", "ON": "Ontario|Ont",
        "PE": "Prince Edward Island|Prince Edward Isl|Prince Edward Is|Prince Edward I|Prince Ed Island|Pr Edward Island|P E Island|PEI|Ile du Prince Edouard|L Ile du Prince Edouard|IPE",
        "QC": "Quebec|Que|PQ", "SK": "Saskatchewan|Sask|Sas", "YT": "Yukon|Yukon Terr|Territoire du Yukon|Yuk|YK"
    }
};

const BILLING_REQUIRED = [
    "bill_to_forename", "bill_to_surname", "bill_to_email", "bill_to_address_line1", "bill_to_address_city",
    "bill_to_address_country",
];

/** The letters A to Z alone, in capitals, without accents: how two spellings of one name are compared. */
const lettersOf = (text) => [...String(text ?? "")].slice(0, 100).join("").normalize("NFKD").toUpperCase().replaceAll("&", "AND")
    .replace(/[^A-Z]/g, "");

const CODES = Object.fromEntries(Object.entries(STATES).map(([country, states]) => [country, new Map([
    ...Object.entries(states).flatMap(([code, names]) => names.split("|").map((name) => [lettersOf(name), code])),
    ...Object.keys(states).map((code) => [code, code]),
])]));

// What is written around a name: the country before or after it, and what sort of place it is.
const COUNTRY = {
    US: [/^(?:USA?|UNITEDSTATES(?:OFAMERICA)?)(?=..)/, /(..)(?:UNITEDSTATES(?:OFAMERICA)?|USA?)$/],
    CA: [/^CA(?:NADA)?(?=..)/, /(..)CA(?:N(?:ADA)?)?$/],
};
// In "US Alabama" the A is the name's, in "USA Louisiana" the country's.
const OR_US = /^US(?=A..)/;
const KIND = new RegExp("^(?:THE)?(?:STATE|COMMONWEALTH|PROVINCE|PROV|TERRITORY)(?:OF|DE|DU)(?:THE)?|^THE"
    + "|(?:STATE|PROVINCE|TERRITORY)$|^(?:ARMEDFORCES|MILITARY|(?:[AFD]PO)+)(?=A[AEP]$)", "g");

/** A state's two-letter code in the countries that want one ("Calif." -> "CA"), or null when there is none. */
export function stateCode(country, text) {
    if (!Object.hasOwn(CODES, country)) return null;
    const codes = CODES[country];
    const [before, after] = COUNTRY[country];
    const letters = lettersOf(text);
    const [home, american] = [before, OR_US].map((first) => letters.replace(first, "").replace(after, "$1"));
    for (const wanted of [letters, home, home.replace(KIND, ""), american]) {
        if (codes.has(wanted)) return codes.get(wanted);
        for (const [one, other] of [[wanted.slice(0, 2), wanted.slice(2)], [wanted.slice(-2), wanted.slice(0, -2)]]) {
            if (other && one in STATES[country] && codes.get(other) === one) return one;
        }
    }
    return null;
}

/** A postal code as CyberSource takes it: 12345, 12345-6789, A1B 2C3; others as typed. Null when it cannot be one. */
export function postalCode(country, text) {
    const typed = String(text ?? "").trim().toUpperCase();
    if (country === "US") {
        const match = /^(\d{5})[- ]?(\d{4})?$/.exec(typed);
        return match ? [match[1], match[2]].filter(Boolean).join("-") : null;
    }
    if (country === "CA") {
        const match = /^([A-Z]\d[A-Z])[- ]?(\d[A-Z]\d)$/.exec(typed);
        return match ? `${match[1]} ${match[2]}` : null;
    }
    return typed;
}

/** Text without what CyberSource refuses in names and addresses: brackets, braces, pipes, back-ticks, controls. */
function plainText(text) {
    return String(text ?? "").normalize("NFC").replace(/[<>{}[\]|\\`\p{Cc}\p{Cf}\p{So}\p{Cs}]/gu, " ").replace(/\s+/g, " ").trim();
}

/** The billing fields as CyberSource wants them, and what is wrong with them: {values, problems: {key: text key}}. */
export function billingOf(typed) {
    const values = {};
    const problems = {};
    for (const [key, text] of Object.entries(typed)) values[key] = plainText(text);
    const country = values.bill_to_address_country;
    for (const key of BILLING_REQUIRED) {
        if (key in values && !values[key]) problems[key] = `${key}-required`;
    }
    if (values.bill_to_email && !/^[^\s@]+@[^\s@]+\.[^\s@.]+$/.test(values.bill_to_email)) problems.bill_to_email = "bill_to_email-unreadable";
    if (STATES[country]) {
        if ("bill_to_address_state" in values) {
            const code = stateCode(country, values.bill_to_address_state);
            if (code) values.bill_to_address_state = code;
            else problems.bill_to_address_state = "bill_to_address_state-code";
        }
        if ("bill_to_address_postal_code" in values) {
            const code = postalCode(country, values.bill_to_address_postal_code);
            if (code) values.bill_to_address_postal_code = code;
            else problems.bill_to_address_postal_code = `bill_to_address_postal_code-${country}`;
        }
    }
    return { values, problems };
}

// ------------------------------------------------------------------------------------------- how a payment is made

/**
 * Why no form went to CyberSource. `code` is one of:
 *   invalid (fields: {number: "number-short", …})   refused (messages: what the shop said, status)
 *   throttled (seconds or null; shown: when a form was read, which may have been paid before)
 *   session (401, 403)   server (status)   network   unreadable   redirected   unsafe   no-payment
 *   declined   checking   paid   placed (number)   other-card   billing (fields, wanted: [{key, value}])   card-in-request
 * `unsure`: the shop may have done what it was asked all the same. `url`: where the shopper can go on.
 */
export class PaymentProblem extends Error {
    constructor(code, details = {}) {
        super(code);
        this.name = "PaymentProblem";
        this.code = code;
        Object.assign(this, details);
    }
}

function retryAfter(response) {
    const header = response.headers.get("Retry-After");
    if (!header) return null;
    const seconds = /^\d+$/.test(header.trim()) ? Number(header) : Math.ceil((Date.parse(header) - Date.now()) / 1000);
    return Number.isFinite(seconds) && seconds > 0 ? seconds : null;
}

/** The shop's JSON errors (nested objects and lists) as flat messages: [{path: ["shipping_address", "postcode"], text}]. */
export function flattenErrors(errors, path = []) {
    if (errors === null || errors === undefined) return [];
    if (Array.isArray(errors)) return errors.flatMap((item) => flattenErrors(item, path));
    if (typeof errors === "object") {
        return Object.entries(errors).flatMap(([key, value]) =>
            flattenErrors(value, key === "non_field_errors" || key === "detail" ? path : [...path, key]));
    }
    const text = String(errors).trim();
    return text ? [{ path, text: text.slice(0, 300) }] : [];
}

// Milliseconds after which an answer is taken for lost: longer than servers and proxies usually take to give up.
const PATIENCE = 75_000;

/** A shop may have the language in the path of its pages; its API has none there, so the page's language goes along. */
function pageLanguage() {
    const language = document.querySelector("[data-cybersource-card-form]")?.lang;
    return language ? { "Accept-Language": language } : {};
}

async function request(url, init) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), PATIENCE);
    try {
        const response = await fetch(url, {
            credentials: "same-origin", cache: "no-store", ...init, signal: stop.signal,
            headers: { Accept: "application/json", ...pageLanguage(), ...init.headers },
        });
        return [response, await response.text()];
    } finally {
        clearTimeout(timer);
    }
}

/** Whether a request that failed was led to another site, a login of the company's for example, where it may not go. */
async function isLedElsewhere(url) {
    try {
        const [response] = await request(url, { redirect: "manual" });
        return response.type === "opaqueredirect";
    } catch {
        return false;
    }
}

async function askShop(url, init = {}) {
    let response;
    let body;
    try {
        // A post that is led elsewhere arrives there as something else, so it is not led.
        [response, body] = await request(url, { ...init, redirect: init.method ? "manual" : "follow" });
    } catch {
        const elsewhere = !init.method && await isLedElsewhere(url);
        throw new PaymentProblem(elsewhere ? "redirected" : "network", { unsure: true });
    }
    let json = null;
    try {
        json = JSON.parse(body);
    } catch {
        json = null;
    }
    const { status } = response;
    const readable = json !== null && typeof json === "object";
    if (response.type === "opaqueredirect" || (response.redirected && !readable)) throw new PaymentProblem("redirected", { unsure: true });
    // Only the shop itself can say that it did not do something. A server before it may have lost its answer.
    const unsure = !readable || status >= 500 || status === 408;
    if (status === 429) throw new PaymentProblem("throttled", { seconds: retryAfter(response), status, unsure, shown: unsure || !init.method });
    if (status === 404 && !init.method) return null;
    if (status >= 500) throw new PaymentProblem("server", { status, unsure });
    if (status === 401 || status === 403) throw new PaymentProblem("session", { status, unsure });
    if (!readable) throw new PaymentProblem("unreadable", { status, unsure });
    if (!response.ok) throw new PaymentProblem("refused", { status, unsure, messages: flattenErrors(json).slice(0, 12) });
    return json;
}

/** The state of one payment method: {status, amount, required_action}; null when the shop expects no such payment. */
export async function readState({ statesUrl, methodKey = "cybersource" }) {
    const states = await askShop(statesUrl);
    return states?.payment_method_states?.[methodKey] ?? null;
}

/** Places the order and resolves to it. Alone it is for an order that costs nothing; `pay` does it where there is a card. */
export async function placeOrder({ checkoutUrl, payload, csrfToken, csrfHeader = "X-CSRFToken", card }) {
    const body = typeof payload === "string" ? payload : JSON.stringify(payload ?? {});
    // The shop's own code makes the payload. Whatever it does, the card stays here.
    const number = digitsOf(card?.number);
    if (number.length >= 12 && digitsOf(body.replace(/[\s-]/g, "")).includes(number)) throw new PaymentProblem("card-in-request");
    const headers = { "Content-Type": "application/json" };
    if (csrfToken) headers[csrfHeader] = csrfToken;
    return askShop(checkoutUrl, { method: "POST", body, headers });
}

/** Only web addresses, and from a secure page only secure ones: a form with a card in it goes nowhere else. */
function paymentUrl(url) {
    let target;
    try {
        target = new URL(url, document.baseURI);
    } catch {
        throw new PaymentProblem("unsafe");
    }
    const secure = target.protocol === "https:" || (target.protocol === "http:" && location.protocol !== "https:");
    if (!secure) throw new PaymentProblem("unsafe");
    return target.href;
}

/** Posts name-value pairs as a document, in their order. The form leaves the page as soon as the browser has read it. */
function postForm(url, fields) {
    const form = document.createElement("form");
    form.setAttribute("method", "post");
    form.setAttribute("action", paymentUrl(url));
    form.setAttribute("accept-charset", "utf-8");
    form.setAttribute("hidden", "");
    form.append(...fields.map(({ key, value }) => {
        const input = document.createElement("input");
        input.type = "hidden";
        input.name = key;
        input.value = value;
        return input;
    }));
    document.body.append(form);
    // By prototype from here on: a field may be called "submit" or "remove", and would stand before the form's own.
    HTMLFormElement.prototype.submit.call(form);
    Element.prototype.remove.call(form);
}

function formAction(state) {
    const action = state.required_action;
    if (!action) return null;
    if (action.type !== "form" || !Array.isArray(action.fields) || String(action.method ?? "POST").toUpperCase() !== "POST") {
        throw new PaymentProblem("unreadable");
    }
    return action;
}

const wantsCard = (action) => action.fields.some((field) => field.editable && field.key === "card_number");

/** What the signed form leaves to the shopper, filled in; everything else exactly as the shop signed it. */
export function filledFields(action, values) {
    return action.fields.map(({ key, value, editable }) => ({
        key, value: editable && values[key] ? values[key] : value ?? "",
    }));
}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

// Milliseconds before each look for an order whose answer was lost: the shop may still be placing it.
const LOOKS = [0, 1_500, 4_000];

/** Where the shop tells what became of an order: by the basket it is placed from, or by its own signed number. */
function traceUrl(placedUrl, payload) {
    if (!placedUrl) return "";
    const name = ["basket", "order"].find((key) => typeof payload?.[key] === "string" && payload[key]);
    return name ? `${placedUrl}?${new URLSearchParams({ [name]: payload[name] })}` : "";
}

function parsed(payload) {
    if (typeof payload !== "string") return payload;
    try {
        return JSON.parse(payload);
    } catch {
        return null;
    }
}

/** Whether a payment is for the amount that this page asked for; null when it named none. */
function isAsAsked(state, payload, methodKey) {
    const { amount, pay_balance: balance } = payload?.payment?.[methodKey] ?? {};
    const alone = Object.keys(payload?.payment ?? {}).length < 2;
    const asked = amount !== undefined && !balance ? amount : alone ? payload?.total : undefined;
    return asked === undefined || asked === null ? null : Number(asked) === Number(state.amount);
}

/**
 * The order that was placed from the page's basket, as {order_number, is_paid, finish_url, return_url, state};
 * null when the shop has none. Rejects when nobody can tell. `refused`: its basket was refused after an answer was lost.
 */
async function trace({ placedUrl, statesUrl, methodKey, payload }, { refused = false } = {}) {
    const url = traceUrl(placedUrl, payload);
    if (!url) {
        // A shop that cannot say whose order it is. What waits must then be what the shopper agreed to pay.
        const state = await readState({ statesUrl, methodKey });
        const isOwn = state?.status === "Pending" && (isAsAsked(state, payload, methodKey) ?? refused);
        return isOwn ? { state } : null;
    }
    const found = await askShop(url);
    return found && { ...found, state: found.payment_method_states?.[methodKey] ?? null };
}

/** Looks for the order whose answer was lost, a few times. Null when it is not there, or not heard of. */
async function lookFor(source, looks, options) {
    for (const wait of looks) {
        await pause(wait);
        const found = await trace(source, options).catch(() => null);
        if (found && (found.is_paid || (found.state && found.state.status !== "Declined"))) return found;
    }
    return null;
}

/**
 * Checks a card, places the order if a `checkoutUrl` is given, and posts the payment form to CyberSource.
 *
 * card: {number, expiry, cvn, type?, phone?}; billing: {bill_to_forename: "…", …}, used only where the form asks for it.
 * placedUrl: where the shop says what became of an order whose answer was lost.
 * memory: an object of the caller's that outlives a failed try; it remembers what is known of the order.
 * Resolves to "posted" when the browser is leaving. Rejects with a PaymentProblem otherwise.
 */
export async function pay({
    statesUrl, methodKey = "cybersource", checkoutUrl, placedUrl, payload, csrfToken, csrfHeader, cardTypes,
    card = {}, billing = {}, memory = {}, onPlaced = () => {}, onLeaving = () => {}, now = new Date(),
}) {
    const brands = brandsOf(card.number, cardTypes);
    const type = (brands.length === 1 ? brands[0].code : card.type) || "";
    const fields = cardProblems({ ...card, type }, { cardTypes, now });
    if (Object.keys(fields).length) throw new PaymentProblem("invalid", { fields });

    const source = { placedUrl, statesUrl, methodKey, payload: parsed(payload) };
    const placed = (order) => {
        Object.assign(memory, { placed: true, unsure: false, number: order.number ?? order.order_number ?? "", url: order.finish_url ?? "" });
        onPlaced(order);
    };

    /** The state of the order that this page placed with an answer that was lost, or in another tab. */
    const takeUp = (found, isOwn) => {
        const told = { number: found.order_number, url: found.return_url };
        if (found.is_paid || found.state?.status === "Consumed") throw new PaymentProblem("paid", told);
        const waitsForCard = found.state.status === "Pending" && found.state.required_action
            && isAsAsked(found.state, source.payload, methodKey) !== false;
        if (!isOwn || !waitsForCard) {
            const waits = found.state.status === "Pending" && !found.state.required_action;
            throw new PaymentProblem(waits ? "checking" : "placed", { ...told, url: waits ? found.return_url : found.finish_url });
        }
        placed(found);
        return found.state;
    };

    const place = async () => {
        if (memory.unsure) {
            const found = await lookFor(source, [0]);
            if (found) return takeUp(found, true);
        }
        try {
            placed(await placeOrder({ checkoutUrl, payload, csrfToken, csrfHeader, card }));
        } catch (problem) {
            if (!(problem instanceof PaymentProblem) || problem.code === "card-in-request") throw problem;
            // A refusal may mean that the basket is an order by now: of this page, or of another tab.
            const isOwn = Boolean(problem.unsure || memory.unsure);
            const canTell = Boolean(traceUrl(placedUrl, source.payload));
            const mayBePlaced = isOwn || (problem.code === "refused" && canTell);
            const looks = problem.unsure && canTell ? LOOKS : [0];
            const found = mayBePlaced ? await lookFor(source, looks, { refused: !problem.unsure }) : null;
            memory.unsure = Boolean(problem.unsure);
            if (found) return takeUp(found, isOwn);
            throw problem;
        }
        const state = await readState({ statesUrl, methodKey });
        const { order_number: number } = state?.required_action ?? {};
        if (!number || !memory.number || number === memory.number) return state;
        // Another tab placed another order meanwhile.
        return (await trace(source))?.state ?? null;
    };

    let state;
    if (checkoutUrl && !memory.placed) state = await place();
    else {
        const found = checkoutUrl && traceUrl(placedUrl, source.payload) ? await trace(source) : null;
        if (found?.is_paid) throw new PaymentProblem("paid", { number: found.order_number, url: found.return_url });
        state = found ? found.state : await readState({ statesUrl, methodKey });
        if (checkoutUrl && (!state || state.status === "Declined")) {
            // A decline gave the basket back, so this try is an order of its own.
            memory.placed = false;
            state = await place();
        }
    }
    if (!state) throw new PaymentProblem("no-payment");
    if (state.status === "Declined") throw new PaymentProblem("declined");
    if (state.status !== "Pending") throw new PaymentProblem("paid");
    // Whatever is said from here on is said of an order that is placed.
    const action = formAction(state);
    if (!action) throw new PaymentProblem("checking");
    // The shop goes on with a card it has a token for: never let that pass for the card just typed.
    if (!wantsCard(action)) throw new PaymentProblem("other-card", { stateUrl: action.state_url });

    const asked = action.fields.filter((field) => field.editable && field.key.startsWith("bill_to_") && field.key !== "bill_to_phone");
    const address = billingOf(Object.fromEntries(asked.map(({ key, value }) => [key, billing[key] || value || ""])));
    if (Object.keys(address.problems).length) {
        throw new PaymentProblem("billing", { wanted: asked.map(({ key, value }) => ({ key, value: value ?? "" })), fields: address.problems });
    }
    const filled = filledFields(action, {
        ...address.values,
        card_type: type,
        card_number: digitsOf(card.number),
        card_expiry_date: toExpiry(card.expiry),
        card_cvn: digitsOf(card.cvn),
        bill_to_phone: digitsOf(card.phone),
    });
    paymentUrl(action.url);
    onLeaving();
    postForm(action.url, filled);
    return "posted";
}

/** What is wrong with a card: {number: text key, type: …, expiry: …, cvn: …, phone: …}, empty when nothing is. */
export function cardProblems({ number, type, expiry, cvn, phone }, { cardTypes, now = new Date() } = {}) {
    const brands = brandsOf(number, cardTypes);
    const brand = brands.length === 1 ? brands[0] : ofCode(type) ?? brands[0] ?? null;
    const problems = { number: numberProblem(number, { accepted: cardTypes, type }) };
    if (!problems.number && brands.length !== 1 && !type) problems.type = "type-required";
    problems.expiry = expiryProblem(expiry, now);
    problems.cvn = cvnProblem(cvn, brand);
    problems.phone = phoneProblem(phone);
    return Object.fromEntries(Object.entries(problems).filter(([, problem]) => problem));
}

/**
 * Goes on with a payment that needs nothing more from the shopper: posts the next form if there is one.
 * Resolves to "posted", "waiting" (unknown or under review), "card-needed" or "settled".
 */
export async function continuePayment({ statesUrl, methodKey = "cybersource", onLeaving = () => {} }) {
    const state = await readState({ statesUrl, methodKey });
    if (!state || state.status !== "Pending") return "settled";
    const action = formAction(state);
    if (!action) return "waiting";
    if (wantsCard(action)) return "card-needed";
    paymentUrl(action.url);
    onLeaving();
    postForm(action.url, filledFields(action, {}));
    return "posted";
}

// ------------------------------------------------------------------------------------------------- the card form

// Not a failure of this page: the payment stands elsewhere.
const NEWS = ["paid", "checking", "placed"];
const CARD_FIELDS = ["number", "expiry", "cvn"];

// What the shop's errors call the fields that this form has too, in a shop that bills to what is typed here.
const ASKED_HERE = {
    "guest_email": "bill_to_email", "billing_address.first_name": "bill_to_forename",
    "billing_address.last_name": "bill_to_surname", "billing_address.line1": "bill_to_address_line1",
    "billing_address.line2": "bill_to_address_line2", "billing_address.line4": "bill_to_address_city",
    "billing_address.state": "bill_to_address_state", "billing_address.postcode": "bill_to_address_postal_code",
    "billing_address.country": "bill_to_address_country", "billing_address.phone_number": "phone",
};
const SLOW_AFTER = 20_000;
// Milliseconds after a form was posted for which it is not taken for stopped; and after which it is, whatever is heard.
const STAYS_FOR = 1_000;
const STOPPED_AFTER = 60_000;
const arrivedBy = () => performance.getEntriesByType?.("navigation")[0]?.type ?? "navigate";

/** The last cookie of a name, which is the one that Django reads where there are several. */
function cookie(name) {
    const found = name ? document.cookie.split("; ").findLast((pair) => pair.startsWith(`${name}=`)) : null;
    if (!found) return "";
    const value = found.slice(name.length + 1);
    try {
        return decodeURIComponent(value);
    } catch {
        return value;
    }
}

/** The language of an element as Intl takes it, whatever the page says: "en_US", nothing, or no language at all. */
function languageOf(element) {
    const told = (element?.closest("[lang]")?.getAttribute("lang") ?? "").trim().replace(/_/g, "-");
    for (const tag of [told, told.split(/[-.@]/)[0]]) {
        try {
            if (tag) return Intl.getCanonicalLocales(tag)[0];
        } catch {
            // no language
        }
    }
    return "en";
}

const absolute = (url) => (url ? new URL(url, document.baseURI).href : "");

/**
 * Calls back, once, when the browser stays here although a form was posted: the shopper pressed Stop or Escape, or wants
 * to stay, or something between swallowed the form. Returns what ends the watch.
 */
function whenStopped(tell) {
    const begun = performance.now();
    const watching = new AbortController();
    const { signal } = watching;
    let timer;
    const over = () => {
        clearTimeout(timer);
        watching.abort();
    };
    const within = (milliseconds) => {
        clearTimeout(timer);
        timer = setTimeout(() => {
            over();
            tell();
        }, milliseconds);
    };
    // Never so soon that a second press of the same click gets through.
    const soon = () => within(Math.max(300, STAYS_FOR - (performance.now() - begun)));
    addEventListener("pagehide", over, { signal });
    addEventListener("keydown", (event) => { if (event.key === "Escape") soon(); }, { signal, capture: true });
    globalThis.navigation?.addEventListener("navigate", (event) => {
        event.signal?.addEventListener("abort", () => { if (!signal.aborted) soon(); });
        within(STOPPED_AFTER);
    }, { signal });
    // A browser that tells when it begins to leave, and does not, was kept from it by something in between.
    within(globalThis.navigation ? 2 * STAYS_FOR : STOPPED_AFTER);
    return over;
}

let profiledAt = 0;

/** Has the device profiled anew when the page stood open for longer than a profile lives. */
async function renewFingerprint() {
    const old = document.querySelector("script[data-cybersource-fingerprint]");
    const lives = Number(old?.dataset.cybersourceFingerprint) * 1_000;
    if (!lives || performance.now() - profiledAt < lives) return;
    const fresh = document.createElement("script");
    fresh.async = true;
    fresh.nonce = old.nonce;
    fresh.dataset.cybersourceFingerprint = old.dataset.cybersourceFingerprint;
    const url = new URL(old.src, document.baseURI);
    url.searchParams.set("renew", "1");
    fresh.src = url.href;
    const loaded = new Promise((resolve) => { for (const end of ["load", "error"]) fresh.addEventListener(end, resolve); });
    old.replaceWith(fresh);
    profiledAt = performance.now();
    await Promise.race([loaded, pause(4_000)]);
}

/** Writes formatted text into an input and leaves the caret behind the same digit as before. */
function reformat(input, text) {
    if (input.value === text) return;
    const atEnd = input.selectionStart === null || input.selectionStart >= input.value.length;
    const before = digitsOf(input.value.slice(0, input.selectionStart ?? 0)).length;
    input.value = text;
    if (document.activeElement !== input) return;
    let caret = text.length;
    if (!atEnd) {
        caret = 0;
        for (let seen = 0; caret < text.length && seen < before; caret += 1) if (/\d/.test(text[caret])) seen += 1;
    }
    input.setSelectionRange(caret, caret);
}

/** Backspace over a separator takes the digit before it: the separator is ours, not the shopper's. */
function eatSeparator(input, event, separator) {
    if (input.selectionStart !== input.selectionEnd) return;
    const at = input.selectionStart;
    let [left, right] = [input.value.slice(0, at), input.value.slice(at)];
    const { inputType } = event;
    if (inputType === "deleteContentBackward" && separator.test(left.slice(-1))) left = left.replace(/[^\d]+$/, "").slice(0, -1);
    else if (inputType === "deleteContentForward" && separator.test(right.slice(0, 1))) right = right.replace(/^[^\d]+/, "").slice(1);
    else return;
    event.preventDefault();
    input.value = left + right;
    input.setSelectionRange(left.length, left.length);
    input.dispatchEvent(new InputEvent("input", { bubbles: true, inputType }));
}

function expiryAsTyped(text, deleting) {
    let digits = digitsOf(text).slice(0, 6);
    const slash = /^\s*\p{Nd}\s*[/.-]/u.test(text);
    if (digits && (digits[0] > "1" || (slash && digits.length === 1)) && !deleting) digits = `0${digits}`.slice(0, 6);
    if (digits.length < 2 || (digits.length === 2 && deleting)) return digits;
    return `${digits.slice(0, 2)} / ${digits.slice(2)}`;
}

/** A name, a number or an amount, which no browser translates or turns round. */
function named(text) {
    const node = document.createElement("bdi");
    node.translate = false;
    node.append(text);
    return node;
}

class CardForm {
    constructor(form) {
        this.form = form;
        this.memory = {};
        this.busy = false;
        this.texts = form.querySelector("template[data-cybersource-texts]");
        this.summary = form.querySelector("[data-cybersource-summary]");
        this.status = form.querySelector("[data-cybersource-status]");
        this.brandName = form.querySelector("[data-cybersource-brand]");
        this.billing = form.querySelector("[data-cybersource-billing]");
        this.button = form.querySelector("[data-cybersource-submit]");
        this.inputs = Object.fromEntries(Array.from(form.querySelectorAll("[data-cybersource-field]"),
            (input) => [input.dataset.cybersourceField, input]));
        if (!this.inputs.number || !this.inputs.expiry || !this.inputs.cvn) throw new Error("A card form needs number, expiry and cvn.");

        form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.submit();
        });
        this.summary?.addEventListener("click", (event) => {
            if (event.target.closest("[data-cybersource-go-on]")) this.goOn();
        });
        form.addEventListener("focusout", (event) => this.leave(event.target));
        form.addEventListener("change", (event) => this.leave(event.target));
        // A complaint that appears between press and release would move the button from under the pointer.
        this.pressed = false;
        this.left = new Set();
        addEventListener("pointerdown", () => { this.pressed = true; }, true);
        for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => this.released()), true);
        form.addEventListener("input", (event) => this.typed(event));
        this.inputs.number.addEventListener("beforeinput", (event) => eatSeparator(event.target, event, /\s/));
        this.inputs.expiry.addEventListener("beforeinput", (event) => eatSeparator(event.target, event, /[\s/]/));
        form.addEventListener("compositionend", (event) => this.typed(event));
        // Neither Back nor the browser's form memory may show a card again.
        addEventListener("pagehide", () => this.forgetCard());
        addEventListener("pageshow", (event) => {
            if (event.persisted || arrivedBy() === "back_forward") this.returned();
        });
        if (arrivedBy() !== "navigate") this.forgetCard();
        // A Content-Security-Policy whose form-action lacks CyberSource's host stops the form without a word.
        document.addEventListener("securitypolicyviolation", (event) => {
            if (this.busy && event.effectiveDirective === "form-action") this.fail(new PaymentProblem("blocked"));
        });
        // Once the order is placed, the address of this page becomes that of another; what is relative to it must not.
        for (const name of ["statesUrl", "checkoutUrl", "placedUrl", "finishUrl"]) this[name] = absolute(form.dataset[name]);
        this.fillTypes();
        this.showBrand();
        if (this.button) this.button.disabled = false;
        form.dataset.cybersourceReady = "";
    }

    /** The shop's date and time: the browser's clock may be wrong, and midnight may pass while the page stands open. */
    get now() {
        const told = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.exec(this.form.dataset.now ?? "");
        // Read without its offset, so that the month is the shop's wherever the browser is.
        return told ? new Date(new Date(told[0]).getTime() + performance.now()) : new Date();
    }

    get language() {
        return languageOf(this.form);
    }

    get cardTypes() {
        return this.form.dataset.cardTypes ?? "";
    }

    value(name) {
        return this.inputs[name]?.value ?? "";
    }

    brand() {
        const brands = brandsOf(this.value("number"), this.cardTypes);
        if (brands.length === 1) return brands[0];
        return ofCode(this.value("type")) ?? brands[0] ?? null;
    }

    card() {
        return Object.fromEntries(["number", "type", "expiry", "cvn", "phone"].map((name) => [name, this.value(name)]));
    }

    billingValues() {
        return Object.fromEntries(Object.entries(this.inputs)
            .filter(([name, input]) => name.startsWith("bill_to_") && this.visible(input))
            .map(([name, input]) => [name, input.value]));
    }

    visible(input) {
        return !input.closest("[hidden]");
    }

    /** All that is wrong with what the shopper can see: {field name: text key}. */
    problems() {
        const problems = cardProblems(this.card(), { cardTypes: this.cardTypes, now: this.now });
        return { ...problems, ...billingOf(this.billingValues()).problems };
    }

    // -- while typing

    typed(event) {
        const input = event.target;
        const name = input.dataset?.cybersourceField;
        if (!name || event.isComposing) return;
        const deleting = String(event.inputType ?? "").startsWith("delete");
        if (name === "number") {
            const brand = brandOf(input.value, this.cardTypes) ?? brandOf(input.value);
            reformat(input, grouped(input.value, brand));
        } else if (name === "expiry") {
            // Pasted and autofilled dates come whole, in many shapes; typed ones digit by digit.
            const byHand = deleting || event.type === "compositionend" || (event.inputType === "insertText" && event.data?.length === 1);
            const whole = byHand ? null : parseExpiry(input.value);
            reformat(input, whole ? this.expiryText(whole) : expiryAsTyped(input.value, deleting));
        } else if (name === "cvn") {
            reformat(input, digitsOf(input.value).slice(0, this.brand()?.cvn ?? 4));
        }
        if (name === "number" || name === "type") this.showBrand();
        const problem = this.problems()[name];
        input.classList.toggle("cybersource-valid", CARD_FIELDS.includes(name) && !problem);
        // Complain only when leaving a field, but take a complaint back as soon as it is met.
        if (!problem) this.showProblem(name, null);
        else if (input.hasAttribute("aria-invalid")) this.showProblem(name, problem);
        if (name === "number" && this.inputs.cvn.hasAttribute("aria-invalid")) this.showProblem("cvn", this.problems().cvn ?? null);
    }

    expiryText({ month, year }) {
        return `${String(month).padStart(2, "0")} / ${String(year).slice(year >= 2000 && year < 2100 ? 2 : 0)}`;
    }

    released() {
        this.pressed = false;
        for (const input of this.left) this.leave(input);
        this.left.clear();
    }

    leave(input) {
        const name = input.dataset?.cybersourceField;
        if (!name || this.busy) return;
        if (this.pressed) {
            this.left.add(input);
            return;
        }
        if (name === "expiry") {
            const whole = parseExpiry(input.value);
            if (whole) reformat(input, this.expiryText(whole));
        }
        if (name === "number") this.showTypeChoice();
        // An empty field is not wrong before the shopper asks to pay.
        if (!input.value.trim() && !input.hasAttribute("aria-invalid")) return;
        this.showProblem(name, this.problems()[name] ?? null);
    }

    showBrand() {
        const number = digitsOf(this.value("number"));
        const brand = this.brand();
        if (this.brandName) {
            const complete = number && !numberProblem(number, { accepted: this.cardTypes, type: this.value("type") });
            const name = brand?.name ?? "";
            if (this.brandName.textContent !== name) this.brandName.textContent = name;
            this.brandName.dataset.brand = brand?.code ?? "";
            this.brandName.classList.toggle("cybersource-brand-complete", Boolean(complete));
        }
        const amex = brand?.cvn === 4;
        for (const hint of this.form.querySelectorAll("[data-cvn-hint]")) hint.hidden = (hint.dataset.cvnHint === "4") !== amex;
        if (!number) this.showTypeChoice();
        else if (this.inputs.type && this.visible(this.inputs.type)) this.showTypeChoice();
    }

    // -- the brand, where the number does not tell it

    fillTypes() {
        const select = this.inputs.type;
        if (!select) return;
        const accepted = codes(this.cardTypes);
        this.typeCodes = accepted.length ? accepted.filter((code) => CARD_TYPES[code]) : [...BRANDS, ...NATIONAL].filter((brand) => brand.code && !brand.onRequest).map((brand) => brand.code);
        this.typeCodes.sort();
    }

    showTypeChoice() {
        const select = this.inputs.type;
        if (!select) return;
        const box = select.closest("[data-cybersource-row]");
        const number = this.value("number");
        const brands = brandsOf(number, this.cardTypes);
        const problem = numberProblem(number, { accepted: this.cardTypes, type: select.value });
        const needed = brands.length > 1 || (brands.length === 0 && !problem);
        if (!needed) {
            if (box.hidden) return;
            box.hidden = true;
            select.value = "";
            this.showProblem("type", null);
            return;
        }
        const offered = brands.length > 1 ? brands.map((brand) => brand.code) : this.typeCodes;
        if (select.dataset.offered !== offered.join()) {
            select.dataset.offered = offered.join();
            select.replaceChildren(select.options[0], ...offered.map((code) => new Option(CARD_TYPES[code], code)));
            for (const option of [...select.options].slice(1)) option.translate = false;
            // A shared card has a brand on its front; both are shown, the shopper may change it.
            select.value = brands.length > 1 ? offered[0] : "";
        }
        box.hidden = false;
    }

    // -- telling the shopper

    /** The text of a key as nodes (it may hold links), with {name} replaced. Null when the page has no such text. */
    text(key, values = {}) {
        const source = this.texts?.content.querySelector(`[data-text="${CSS.escape(key)}"]`);
        if (!source) return null;
        const nodes = document.createDocumentFragment();
        nodes.append(...source.cloneNode(true).childNodes);
        const walker = document.createTreeWalker(nodes, NodeFilter.SHOW_TEXT);
        const texts = [];
        while (walker.nextNode()) texts.push(walker.currentNode);
        for (const text of texts) {
            const pieces = text.data.split(/(\{\w+\})/).map((piece) => values[/^\{(\w+)\}$/.exec(piece)?.[1]] ?? piece);
            text.replaceWith(...pieces);
        }
        return nodes;
    }

    say(key) {
        this.status?.replaceChildren(this.text(key) ?? "");
    }

    problemText(name, key) {
        const accepted = codes(this.cardTypes).map((code) => CARD_TYPES[code] ?? code);
        const list = document.createDocumentFragment();
        for (const { type, value } of new Intl.ListFormat(this.language, { type: "conjunction" }).formatToParts(accepted)) {
            list.append(type === "element" ? named(value) : value);
        }
        const told = key === "number-refused" && !accepted.length ? "number-refused-by-all" : key;
        const values = { brand: named(schemeOf(this.value("number"))?.name ?? ""), accepted: list };
        return this.text(told, values) ?? this.text("invalid") ?? document.createTextNode(key);
    }

    showProblem(name, key, text = key && this.problemText(name, key)) {
        const input = this.inputs[name];
        const place = this.form.querySelector(`[data-cybersource-error="${name}"]`);
        if (!input || !place) return;
        const others = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== place.id);
        if (key) {
            input.setAttribute("aria-invalid", "true");
            input.classList.remove("cybersource-valid");
            place.replaceChildren(text);
            input.setAttribute("aria-describedby", [...others, place.id].join(" "));
        } else {
            input.removeAttribute("aria-invalid");
            place.replaceChildren();
            if (others.length) input.setAttribute("aria-describedby", others.join(" "));
            else input.removeAttribute("aria-describedby");
        }
        place.hidden = !key;
    }

    /** One box above the form that takes the focus: a heading and a list of messages, each a node or [field, node]. */
    showSummary(headingKey, messages, tone = "problem") {
        if (!this.summary) return;
        this.summary.dataset.tone = tone;
        const heading = document.createElement("p");
        heading.className = "cybersource-summary-heading";
        heading.append(this.text(headingKey) ?? "");
        const list = document.createElement("ul");
        for (const message of messages) {
            const item = document.createElement("li");
            if (Array.isArray(message)) {
                const link = document.createElement("a");
                link.href = `#${message[0].id}`;
                link.append(message[1]);
                link.addEventListener("click", (event) => {
                    event.preventDefault();
                    message[0].focus();
                });
                item.append(link);
            } else {
                item.append(message);
            }
            list.append(item);
        }
        this.summary.replaceChildren(heading, ...(messages.length ? [list] : []));
        this.summary.hidden = false;
        this.summary.focus();
    }

    clearSummary() {
        if (!this.summary) return;
        this.summary.hidden = true;
        this.summary.replaceChildren();
    }

    showFieldProblems(problems, headingKey = "check-details") {
        for (const name of Object.keys(this.inputs)) this.showProblem(name, problems[name] ?? null);
        this.showSummary(headingKey, Object.keys(this.inputs).filter((name) => problems[name])
            .map((name) => [this.inputs[name], this.problemText(name, problems[name])]));
    }

    labelOf(key) {
        const label = this.text(`label-${key}`)?.textContent.trim();
        if (label) return label;
        if (/^\d+$/.test(key)) return "";
        const words = key.replace(/_/g, " ").trim();
        return words.charAt(0).toUpperCase() + words.slice(1);
    }

    showPaymentProblem(problem) {
        const { code } = problem;
        this.otherCard = absolute(problem.stateUrl);
        if (code === "invalid") return this.showFieldProblems(problem.fields);
        if (code === "billing") return this.askBilling(problem);
        const values = { status: problem.status ?? "" };
        let key = code;
        if (code === "throttled") {
            if (problem.shown) key = "throttled-shown";
            if (problem.seconds) values.time = this.duration(problem.seconds);
            else key += "-unknown";
        }
        const messages = (problem.messages ?? []).map(({ path, text }) => {
            const where = path.map((part) => this.labelOf(part)).filter(Boolean).join(", ");
            const node = document.createTextNode(where ? `${where}: ${text}` : text);
            const name = ASKED_HERE[path.join(".")];
            if (!this.inputs[name] || !this.visible(this.inputs[name])) return node;
            this.showProblem(name, "refused", document.createTextNode(text));
            return [this.inputs[name], node];
        });
        if (problem.number) values.number = named(problem.number);
        const told = this.text(key, values) ?? this.text("unreadable") ?? document.createTextNode(code);
        if (!messages.length) messages.push(told);
        if (NEWS.includes(code)) {
            if (problem.url && !messages[0].querySelector?.("a")) messages.push(this.link(`${code}-link`, problem.url, values));
        } else if (this.memory.placed && !["declined", "other-card"].includes(code)) {
            messages.push(this.text("order-placed"), this.link("order-placed-link", this.memory.url || this.finishUrl));
        } else if (this.memory.unsure) {
            messages.push(this.text("order-unsure"));
        }
        return this.showSummary(`${code}-heading`, messages.filter(Boolean), NEWS.includes(code) ? "news" : "problem");
    }

    link(key, url, values) {
        const text = url && this.text(key, values);
        if (!text) return null;
        const link = document.createElement("a");
        link.href = url;
        link.append(text);
        return link;
    }

    duration(seconds) {
        const [size, unit] = [[86_400, "day"], [3_600, "hour"], [60, "minute"], [1, "second"]].find(([size]) => seconds > size * 1.5) ?? [1, "second"];
        const amount = Math.ceil(seconds / size);
        return new Intl.NumberFormat(this.language, { style: "unit", unit, unitDisplay: "long" }).format(amount);
    }

    /** The order has no billing address and the form wants one: show exactly the fields it wants. */
    askBilling({ wanted, fields }) {
        const asked = wanted.filter(({ key }) => this.inputs[key]);
        if (!this.billing || !asked.length) return this.showSummary("billing-missing-heading", [this.text("billing-missing") ?? document.createTextNode("")]);
        const already = this.visible(this.billing);
        this.billing.hidden = false;
        for (const [name, input] of Object.entries(this.inputs)) {
            if (!name.startsWith("bill_to_") || name === "bill_to_phone") continue;
            const wish = asked.find(({ key }) => key === name);
            const row = input.closest("[data-cybersource-row]");
            if (row) row.hidden = !wish;
            if (wish?.value && !input.value) input.value = wish.value;
        }
        if (already) return this.showFieldProblems(fields);
        for (const name of Object.keys(this.inputs)) this.showProblem(name, null);
        this.showSummary("billing-heading", [this.text("billing") ?? document.createTextNode("")]);
        const first = this.inputs[asked.find(({ key }) => !this.inputs[key].value)?.key ?? asked[0].key];
        return first.focus();
    }

    // -- paying

    setBusy(busy) {
        this.busy = busy;
        this.form.toggleAttribute("data-cybersource-busy", busy);
        this.form.setAttribute("aria-busy", String(busy));
        // Not `disabled`: that would throw a keyboard user's focus away.
        this.button?.setAttribute("aria-disabled", String(busy));
        clearTimeout(this.slow);
        this.endWatch?.();
        if (busy) this.slow = setTimeout(() => this.say("slow"), SLOW_AFTER);
    }

    emit(name, detail = {}) {
        return this.form.dispatchEvent(new CustomEvent(`cybersource:${name}`, { bubbles: true, detail }));
    }

    payload() {
        const id = this.form.dataset.checkoutPayload;
        const detail = { payload: id ? JSON.parse(document.getElementById(id).textContent) : {} };
        this.emit("payload", detail);
        return detail.payload;
    }

    async submit() {
        if (this.busy) return;
        this.clearSummary();
        this.showTypeChoice();
        const problems = this.problems();
        if (Object.keys(problems).length) {
            this.showFieldProblems(problems);
            return;
        }
        const { methodKey, csrfToken, csrfCookie = "csrftoken", csrfHeader } = this.form.dataset;
        const { statesUrl, checkoutUrl, placedUrl } = this;
        this.setBusy(true);
        this.say(checkoutUrl && !this.memory.placed ? "placing" : "preparing");
        try {
            const payload = checkoutUrl ? this.payload() : undefined;
            if (checkoutUrl && !this.memory.placed) await renewFingerprint();
            await pay({
                statesUrl, methodKey: methodKey || undefined, checkoutUrl, placedUrl, csrfHeader, payload,
                // The cookie is the newer of the two: a login in another tab changes it.
                csrfToken: cookie(csrfCookie) || csrfToken,
                cardTypes: this.cardTypes, card: this.card(), billing: this.billingValues(), memory: this.memory,
                now: this.now,
                onPlaced: (order) => this.placed(order),
                onLeaving: () => this.leaving(),
            });
        } catch (error) {
            // A mistake in the page's own code (a payload that is no JSON): the developer should hear of it too.
            if (!(error instanceof PaymentProblem)) reportError(error);
            this.fail(error instanceof PaymentProblem ? error : new PaymentProblem("unreadable"));
        }
    }

    /** From here on, reloading this page or coming back to it leads to the order's own page, not to an empty basket. */
    placed(order) {
        this.emit("placed", { order });
        if (!this.finishUrl) return;
        try {
            history.replaceState(history.state, "", this.finishUrl);
        } catch {
            // another origin, or a page in a frame that may not
        }
    }

    leaving() {
        this.say("leaving");
        this.emit("leaving");
        this.endWatch = whenStopped(() => this.stayed());
    }

    /** Leaving was stopped. The card may have been sent, so the next press asks first how the payment stands. */
    stayed() {
        this.setBusy(false);
        this.say("stayed");
    }

    /** The shopper agrees to go on with the card the shop has a token for. */
    async goOn() {
        if (this.busy) return;
        this.clearSummary();
        this.setBusy(true);
        this.say("preparing");
        try {
            const { methodKey } = this.form.dataset;
            const answer = await continuePayment({ statesUrl: this.otherCard || this.statesUrl, methodKey: methodKey || undefined, onLeaving: () => this.leaving() });
            if (answer === "posted") return;
            this.fail(new PaymentProblem({ waiting: "checking", "card-needed": "unreadable" }[answer] ?? "paid"));
        } catch (error) {
            this.fail(error instanceof PaymentProblem ? error : new PaymentProblem("unreadable"));
        }
    }

    fail(problem) {
        this.setBusy(false);
        this.say("");
        this.showPaymentProblem(problem);
        this.emit("problem", { code: problem.code, status: problem.status ?? null });
    }

    // -- leaving and coming back

    forgetCard() {
        for (const name of CARD_FIELDS) {
            this.inputs[name].value = "";
            this.inputs[name].classList.remove("cybersource-valid");
            this.showProblem(name, null);
        }
        if (this.inputs.type) this.inputs.type.value = "";
        this.showBrand();
    }

    returned() {
        this.forgetCard();
        this.setBusy(false);
        this.clearSummary();
        this.say("returned");
    }
}

// ------------------------------------------------------------------------------------------------ the pending page

class PendingPage {
    constructor(root) {
        this.root = root;
        const { statesUrl, methodKey, refreshUrl, refreshSeconds } = root.dataset;
        Object.assign(this, { statesUrl, methodKey: methodKey || undefined, refreshUrl: refreshUrl || location.href });
        this.seconds = Number.parseFloat(refreshSeconds) || 5;
        this.wait = this.seconds;
        this.first = true;
        this.next = root.querySelector("form[data-cybersource-next]");
        root.querySelector("[data-cybersource-go]")?.addEventListener("click", () => this.schedule(0));
        addEventListener("pageshow", (event) => {
            if (event.persisted) this.offer();
        });
        // A policy or an extension may stop the form that this page posts; then the shopper is told, and Continue is free.
        document.addEventListener("securitypolicyviolation", (event) => {
            if (event.effectiveDirective === "form-action") this.stopped("blocked");
        });
        // Back from CyberSource must not throw the shopper forward again: then a button waits for a click.
        if (this.next) {
            this.next.addEventListener("submit", (event) => {
                if (this.sent) event.preventDefault();
                else this.leaving();
            });
            if (arrivedBy() === "back_forward") this.offer();
            else {
                this.leaving();
                HTMLFormElement.prototype.submit.call(this.next);
            }
        } else {
            if (arrivedBy() === "back_forward") this.offer();
            else this.schedule(0);
            document.addEventListener("visibilitychange", () => {
                if (!document.hidden && this.timer) this.schedule(0);
            });
        }
    }

    leaving() {
        this.sent = true;
        this.endWatch?.();
        this.endWatch = whenStopped(() => this.stopped("stopped"));
    }

    stopped(why) {
        if (!this.sent) return;
        this.endWatch?.();
        this.offer();
        for (const part of this.root.querySelectorAll(`[data-cybersource-when="${why}"]`)) part.hidden = false;
    }

    offer() {
        this.sent = false;
        clearTimeout(this.timer);
        this.timer = null;
        this.show("offer");
    }

    show(name) {
        for (const part of this.root.querySelectorAll("[data-cybersource-when]")) part.hidden = part.dataset.cybersourceWhen !== name;
    }

    moveOn() {
        location.replace(this.refreshUrl);
    }

    schedule(seconds) {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.check(), seconds * 1000);
    }

    async check() {
        this.timer = null;
        if (!this.statesUrl) {
            this.timer = setTimeout(() => this.moveOn(), this.seconds * 1000);
            return;
        }
        let answer;
        let patience = null;
        try {
            answer = await continuePayment({ statesUrl: this.statesUrl, methodKey: this.methodKey, onLeaving: () => this.leaving() });
        } catch (problem) {
            answer = ["redirected", "session"].includes(problem.code) ? "signed-out" : "unreachable";
            patience = problem.seconds ?? null;
        }
        const first = this.first;
        this.first = false;
        this.show(answer);
        this.stamp(answer);
        if (answer === "posted" || answer === "card-needed") return;
        if (answer === "settled") {
            // Never a hot loop, should the server still show this page.
            if (first) this.timer = setTimeout(() => this.moveOn(), this.seconds * 1000);
            else this.moveOn();
            return;
        }
        this.schedule(Math.max(patience ?? 0, this.wait));
        this.wait = Math.min(this.wait * 1.4, Math.max(30, this.seconds));
    }

    stamp(answer) {
        const place = this.root.querySelector("[data-cybersource-checked]");
        if (!place || answer === "unreachable" || answer === "signed-out") return;
        place.querySelector("time").textContent = new Date().toLocaleTimeString(languageOf(this.root));
        place.hidden = false;
    }
}

// ------------------------------------------------------------------------------------------------------- binding

// One name for all copies of this module: a page may load it twice, by its plain and by its hashed address.
const BOUND = Symbol.for("cybersource.bound");

/** Takes charge of every card form and pending page below `root`. Call it for markup added after the page loaded. */
export function bind(root = document) {
    const each = (selector, take) => {
        for (const element of root.querySelectorAll(selector)) {
            if (element[BOUND]) continue;
            element[BOUND] = true;
            take(element);
        }
    };
    each("[data-cybersource-card-form]", (element) => new CardForm(element));
    each("[data-cybersource-continue]", (element) => new PendingPage(element));
}

if (typeof document !== "undefined") {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => bind());
    else bind();
}
