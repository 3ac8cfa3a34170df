"""Short tags of ONIX 3 that the catalogue reads, each with its reference name."""

from __future__ import annotations

_LEAVES = """
a001 RecordReference
a002 NotificationType
m184 DefaultLanguageOfText
m186 DefaultCurrencyCode
x310 DefaultPriceType
b221 ProductIDType
b233 IDTypeName
b244 IDValue
b012 ProductForm
b333 ProductFormDetail
b014 ProductFormDescription
x315 MeasureType
c094 Measurement
c095 MeasureUnitCode
x344 CollectionIDType
x481 CollectionSequenceNumber
b202 TitleType
x478 TitleStatement
x409 TitleElementLevel
b030 TitlePrefix
b031 TitleWithoutPrefix
b203 TitleText
b029 Subtitle
x410 PartNumber
b020 YearOfAnnual
b034 SequenceNumber
b035 ContributorRole
x412 FromLanguage
x413 ToLanguage
x415 NameIDType
b036 PersonName
b037 PersonNameInverted
b038 TitlesBeforeNames
b039 NamesBeforeKey
b247 PrefixToKey
b040 KeyNames
b041 NamesAfterKey
b248 SuffixToKey
b047 CorporateName
x524 Gender
b044 BiographicalNote
b049 ContributorStatement
x419 EditionType
b057 EditionNumber
b058 EditionStatement
b253 LanguageRole
b252 LanguageCode
b218 ExtentType
b219 ExtentValue
b220 ExtentUnit
x425 MainSubject
b067 SubjectSchemeIdentifier
b069 SubjectCode
b070 SubjectHeadingText
b204 AudienceCodeType
b206 AudienceCodeValue
b207 AudienceDescription
x426 TextType
x427 ContentAudience
d104 Text
x429 ContentDateRole
b306 Date
x436 ResourceContentType
x437 ResourceMode
x438 ResourceFeatureType
x439 FeatureValue
x440 FeatureNote
x442 ResourceVersionFeatureType
x435 ResourceLink
b079 ImprintName
b081 PublisherName
b394 PublishingStatus
x448 PublishingDateRole
b089 SalesRightsType
x449 CountriesIncluded
x450 RegionsIncluded
x451 CountriesExcluded
x452 RegionsExcluded
x456 ROWSalesRightsType
x453 SalesRestrictionType
x454 WorkRelationCode
b201 WorkIDType
x455 ProductRelationCode
j407 MarketPublishingStatus
j408 MarketDateRole
j396 ProductAvailability
x462 PriceType
j261 PriceQualifier
j151 PriceAmount
j152 CurrencyCode
x476 PriceDateRole
"""

# The short name of a composite is its reference name in lower case.
_COMPOSITES = """
Header Product ProductIdentifier DescriptiveDetail Measure Collection CollectionIdentifier CollectionSequence
TitleDetail TitleElement Contributor NameIdentifier Language Extent Subject Audience ProductPart CollateralDetail
TextContent ContentDate SupportingResource ResourceFeature ResourceVersion ResourceVersionFeature PublishingDetail
Imprint Publisher PublishingDate SalesRights SalesRestriction Territory RelatedMaterial RelatedWork WorkIdentifier
RelatedProduct ProductSupply MarketPublishingDetail MarketDate SupplyDetail Price PriceDate
"""

_SHORT: dict[str, str] = {
    **dict(line.split() for line in _LEAVES.split("\n") if line),
    **{name.lower(): name for name in _COMPOSITES.split()},
}
# Every name that the catalogue reads, short or reference, to its reference name.
REFERENCE: dict[str, str] = _SHORT | {name: name for name in _SHORT.values()}
