-- The tables of a Configured Commerce replica that the exports read, in the schema named by search_path.
--
-- Names are the Commerce entities', unquoted, so PostgreSQL folds them to lower case. Like most replicas it has no
-- foreign keys: links may point nowhere. Commerce keeps '' for "not given" in its required texts, hence NOT NULL with
-- DEFAULT ''; every other column may be null. CustomerUserProfile.IsDefault and DefaultCostCode exist in the database
-- although the Admin API does not show them. Primary keys and indexes follow when the rows are in: indexes.sql and
-- order_indexes.sql.

CREATE TABLE Website (
    Id uuid NOT NULL, Description varchar(1024) NOT NULL DEFAULT '',
    DomainName varchar(1024) NOT NULL DEFAULT '', IsActive boolean DEFAULT false,
    IsRestricted boolean DEFAULT false, MapProductsToCategories boolean DEFAULT false,
    MicroSiteIdentifiers varchar(450) NOT NULL DEFAULT '', Name varchar(100) NOT NULL DEFAULT '',
    Key varchar(100) NOT NULL DEFAULT '', ParentWebsiteId uuid, ThemeId uuid, Address1 text, Address2 text,
    Address3 text, City text, State text, PostalCode text, CountryId uuid,
    WebsiteFavicon varchar(1024) NOT NULL DEFAULT '', LogoImagePath varchar(1024) NOT NULL DEFAULT '',
    PasswordResetUrl varchar(1024) NOT NULL DEFAULT '', AccountActivationUrl varchar(1024) NOT NULL DEFAULT '',
    MobilePrimaryColor text, MobilePrivacyPolicyUrl text, MobileTermsOfUseUrl text,
    CmsType varchar(50) NOT NULL DEFAULT '', MaintenanceMode boolean DEFAULT false,
    CompanyName varchar(100) NOT NULL DEFAULT '', CompanyLogoImagePath varchar(1024) NOT NULL DEFAULT '',
    CompanyUrl varchar(1024) NOT NULL DEFAULT '', CompanyPhone varchar(50) NOT NULL DEFAULT '',
    CompanySocialAccounts varchar(1024) NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE Language (
    Id uuid NOT NULL, LanguageCode varchar(50) NOT NULL DEFAULT '', Description varchar(255) NOT NULL DEFAULT '',
    AlternateLanguages varchar(255) NOT NULL DEFAULT '', HasDeviceSpecificContent boolean DEFAULT false,
    HasPersonaSpecificContent boolean DEFAULT false, ImageFilePath varchar(1024) NOT NULL DEFAULT '',
    IsDefault boolean DEFAULT false, CultureCode varchar(50) NOT NULL DEFAULT '', CurrencyPositioning text,
    LanguageTag varchar(256) NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE Currency (
    Id uuid NOT NULL, CurrencyCode varchar(50) NOT NULL DEFAULT '', Description varchar(255) NOT NULL DEFAULT '',
    CurrencySymbol varchar(50) NOT NULL DEFAULT '', IsDefault boolean DEFAULT false,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE Country (
    Id uuid NOT NULL, Name varchar(100) NOT NULL DEFAULT '', Abbreviation varchar(32) NOT NULL DEFAULT '',
    IsActive boolean DEFAULT false, IsoCode2 varchar(50) NOT NULL DEFAULT '',
    IsoCode3 varchar(50) NOT NULL DEFAULT '', IsoNumber varchar(50) NOT NULL DEFAULT '',
    DistanceUnitOfMeasure varchar(50) NOT NULL DEFAULT '', BlockAnonymousTraffic boolean DEFAULT false,
    DefaultVatCodeId uuid, PiiRegionId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE State (
    Id uuid NOT NULL, CountryId uuid, Abbreviation varchar(50) NOT NULL DEFAULT '',
    HandlingAmount numeric(18,5) DEFAULT 0, IsActive boolean DEFAULT false, Name varchar(100) NOT NULL DEFAULT '',
    Taxable boolean DEFAULT false, TaxCode varchar(50) NOT NULL DEFAULT '',
    TaxCode2 varchar(50) NOT NULL DEFAULT '', TaxFreight boolean DEFAULT false, TaxRate numeric(18,5) DEFAULT 0,
    TaxRate2 numeric(18,5) DEFAULT 0, TaxDescription varchar(100) NOT NULL DEFAULT '',
    TaxDescription2 varchar(100) NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE Brand (
    Id uuid NOT NULL, Name varchar(255) NOT NULL DEFAULT '', ContentManagerId uuid, VendorId uuid,
    SortOrder integer DEFAULT 0, Manufacturer varchar(256), SiteUrl varchar(2048) NOT NULL DEFAULT '',
    UrlSegment varchar(255) NOT NULL DEFAULT '', LogoSmallImagePath varchar(1024) NOT NULL DEFAULT '',
    LogoLargeImagePath varchar(1024) NOT NULL DEFAULT '', LogoAltText varchar(1024) NOT NULL DEFAULT '',
    FeaturedImagePath varchar(1024) NOT NULL DEFAULT '', FeaturedAltText varchar(2048) NOT NULL DEFAULT '',
    IsSponsored boolean DEFAULT false, SearchBoost numeric(18,5) DEFAULT 0,
    PageTitle varchar(255) NOT NULL DEFAULT '', MetaDescription varchar(1024) NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE ProductLine (
    Id uuid NOT NULL, Name varchar(255) NOT NULL DEFAULT '', BrandId uuid,
    UrlSegment varchar(255) NOT NULL DEFAULT '', IsFeatured boolean DEFAULT false,
    IsSponsored boolean DEFAULT false, SearchBoost numeric(18,5) DEFAULT 0, SortOrder integer DEFAULT 0,
    ImageSource varchar(1024) NOT NULL DEFAULT '', ManualImageProductId uuid,
    DynamicImagePath varchar(1024) NOT NULL DEFAULT '', DynamicImageAltText varchar(2048) NOT NULL DEFAULT '',
    ManualImagePath varchar(1024) NOT NULL DEFAULT '', ManualImageAltText varchar(2048) NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE Vendor (
    Id uuid NOT NULL, VendorNumber varchar(50) NOT NULL DEFAULT '', Name varchar(255) NOT NULL DEFAULT '',
    Address1 varchar(100) NOT NULL DEFAULT '', Address2 varchar(100) NOT NULL DEFAULT '',
    City varchar(100) NOT NULL DEFAULT '', State varchar(50) NOT NULL DEFAULT '',
    PostalCode varchar(50) NOT NULL DEFAULT '', WebsiteAddress varchar(255) NOT NULL DEFAULT '',
    ContactName varchar(255) NOT NULL DEFAULT '', ContactEmail varchar(255) NOT NULL DEFAULT '',
    Phone varchar(50) NOT NULL DEFAULT '', Ranking integer DEFAULT 0, RegularMarkup numeric(18,5) DEFAULT 0,
    SaleMarkup numeric(18,5) DEFAULT 0, VendorMessage text NOT NULL DEFAULT '', CountryId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE Category (
    Id uuid NOT NULL, ActivateOn timestamptz, ContentManagerId uuid, DeactivateOn timestamptz,
    ErpProductValues text NOT NULL DEFAULT '', ImageAltText varchar(1024) NOT NULL DEFAULT '',
    IsDynamic boolean DEFAULT false, IsFeatured boolean DEFAULT false,
    LargeImagePath varchar(1024) NOT NULL DEFAULT '', MetaDescription text NOT NULL DEFAULT '',
    MetaKeywords text NOT NULL DEFAULT '', Name varchar(255) NOT NULL DEFAULT '',
    PageTitle varchar(1024) NOT NULL DEFAULT '', ParentId uuid, RuleManagerId uuid,
    ShortDescription varchar(255) NOT NULL DEFAULT '', ShowDetail boolean DEFAULT false,
    SmallImagePath varchar(1024) NOT NULL DEFAULT '', SortOrder integer DEFAULT 0,
    SearchBoost numeric(18,5) DEFAULT 0, ProductSearchBoost numeric(18,5) DEFAULT 0,
    UrlSegment varchar(255) NOT NULL DEFAULT '', WebsiteId uuid, OpenGraphTitle varchar(2048),
    OpenGraphUrl varchar(2048), OpenGraphImage varchar(1024), MobileBannerImageUrl varchar(1024),
    MobilePrimaryText varchar(1024), MobileSecondaryText varchar(1024), MobileTextJustification varchar(32),
    MobileTextColor varchar(8), ExcludeFromRecommendations boolean DEFAULT false, PimCategoryId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE CategoryProduct (
    Id uuid NOT NULL, CategoryId uuid, ProductId uuid, IsPrimaryCategory boolean DEFAULT false,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE Product (
    Id uuid NOT NULL, ActivateOn timestamptz, AllowAnyGiftCardAmount boolean DEFAULT false,
    BasicListPrice numeric(18,5) DEFAULT 0, BasicSaleEndDate timestamptz, BasicSalePrice numeric(18,5) DEFAULT 0,
    BasicSaleStartDate timestamptz, ConfigurationObjectId uuid, ContentManagerId uuid,
    CustomAvailabilityMessage text, DeactivateOn timestamptz, DisplayPricePerPiece boolean DEFAULT false,
    ErpDescription varchar(2048) NOT NULL DEFAULT '', ErpManaged boolean DEFAULT false,
    ErpNumber varchar(50) NOT NULL DEFAULT '', HandlingAmountOverride double precision DEFAULT 0,
    HasMsds boolean DEFAULT false, IndexStatus integer DEFAULT 0, IsConfigured boolean DEFAULT false,
    IsDiscontinued boolean DEFAULT false, IsFixedConfiguration boolean DEFAULT false,
    IsGiftCard boolean DEFAULT false, IsHazardousGood boolean DEFAULT false, IsSpecialOrder boolean DEFAULT false,
    IsSponsored boolean DEFAULT false, IsSubscription boolean DEFAULT false, LowStockLevel numeric(18,5) DEFAULT 0,
    ManufacturerItem varchar(100) NOT NULL DEFAULT '', MetaDescription text NOT NULL DEFAULT '',
    MetaKeywords text NOT NULL DEFAULT '', MinimumOrderQty integer DEFAULT 0, MaximumOrderQty integer DEFAULT 0,
    ModelNumber varchar(50) NOT NULL DEFAULT '', MultipleSaleQty integer DEFAULT 0,
    Name varchar(255) NOT NULL DEFAULT '', PackDescription varchar(255) NOT NULL DEFAULT '',
    PageTitle varchar(1024) NOT NULL DEFAULT '', PriceBasis varchar(50) NOT NULL DEFAULT '',
    PriceCode varchar(50) NOT NULL DEFAULT '', ProductCode varchar(50) NOT NULL DEFAULT '',
    QtyPerShippingPackage integer DEFAULT 0, IsQuoteRequired boolean DEFAULT false, ReplacementProductId uuid,
    RoundingRule varchar(50) NOT NULL DEFAULT '', SalePriceLabel varchar(255), ShipSeparately boolean DEFAULT false,
    ShippingAmountOverride double precision DEFAULT 0, ShippingClassification varchar(100) NOT NULL DEFAULT '',
    ShippingHeight numeric(18,5) DEFAULT 0, ShippingLength numeric(18,5) DEFAULT 0,
    ShippingWeight numeric(18,5) DEFAULT 0, ShippingWidth numeric(18,5) DEFAULT 0,
    ShortDescription varchar(2048) NOT NULL DEFAULT '', Sku varchar(100) NOT NULL DEFAULT '',
    SortOrder integer DEFAULT 0, SearchBoost numeric(18,5) DEFAULT 0, StyleClassId uuid, StyleParentId uuid,
    SubscriptionAddToInitialOrder boolean DEFAULT false, SubscriptionAllMonths boolean DEFAULT false,
    SubscriptionApril boolean DEFAULT false, SubscriptionAugust boolean DEFAULT false,
    SubscriptionCyclePeriod varchar(50) NOT NULL DEFAULT '', SubscriptionDecember boolean DEFAULT false,
    SubscriptionFebruary boolean DEFAULT false, SubscriptionFixedPrice boolean DEFAULT false,
    SubscriptionJanuary boolean DEFAULT false, SubscriptionJuly boolean DEFAULT false,
    SubscriptionJune boolean DEFAULT false, SubscriptionMarch boolean DEFAULT false,
    SubscriptionMay boolean DEFAULT false, SubscriptionNovember boolean DEFAULT false,
    SubscriptionOctober boolean DEFAULT false, SubscriptionPeriodsPerCycle integer DEFAULT 0,
    SubscriptionSeptember boolean DEFAULT false, SubscriptionShipViaId uuid,
    SubscriptionTotalCycles integer DEFAULT 0, TaxCategory varchar(50) NOT NULL DEFAULT '',
    TaxCode1 varchar(50) NOT NULL DEFAULT '', TaxCode2 varchar(50) NOT NULL DEFAULT '',
    TrackInventory boolean DEFAULT false, UnitCost numeric(18,5) DEFAULT 0,
    UnitOfMeasure varchar(50) NOT NULL DEFAULT '', UnitOfMeasureDescription varchar(100) NOT NULL DEFAULT '',
    Unspsc varchar(100) NOT NULL DEFAULT '', UpcCode varchar(50) NOT NULL DEFAULT '',
    UrlSegment varchar(255) NOT NULL DEFAULT '', VatCodeId uuid, VendorId uuid, BrandId uuid, ProductLineId uuid,
    IsStocked boolean DEFAULT false, IsStockedAtWarehouseLevel boolean DEFAULT false,
    DefaultVisibility varchar(50) NOT NULL DEFAULT '', OpenGraphTitle varchar(2048), OpenGraphUrl varchar(2048),
    OpenGraphImage varchar(1024), ExcludeFromRecommendations boolean DEFAULT false,
    IsSeasonal boolean DEFAULT false, SeasonalJanuary boolean DEFAULT false, SeasonalFebruary boolean DEFAULT false,
    SeasonalMarch boolean DEFAULT false, SeasonalApril boolean DEFAULT false, SeasonalMay boolean DEFAULT false,
    SeasonalJune boolean DEFAULT false, SeasonalJuly boolean DEFAULT false, SeasonalAugust boolean DEFAULT false,
    SeasonalSeptember boolean DEFAULT false, SeasonalOctober boolean DEFAULT false,
    SeasonalNovember boolean DEFAULT false, SeasonalDecember boolean DEFAULT false,
    ExcludeWhenOutOfSeason boolean DEFAULT false, CantBuy boolean DEFAULT false,
    AllowZeroPricing boolean DEFAULT false, DefaultChildProductId uuid, RuleManagerId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE ProductImage (
    Id uuid NOT NULL, ProductId uuid, SortOrder integer DEFAULT 0, Name varchar(255), ImageType varchar(25),
    SmallImagePath varchar(1024), MediumImagePath varchar(1024), LargeImagePath varchar(1024),
    AltText varchar(2048),
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE Warehouse (
    Id uuid NOT NULL, Address1 varchar(100) NOT NULL DEFAULT '', Address2 varchar(100) NOT NULL DEFAULT '',
    City varchar(100) NOT NULL DEFAULT '', ContactName varchar(255) NOT NULL DEFAULT '', CountryId uuid,
    DeactivateOn timestamptz, Description varchar(2048) NOT NULL DEFAULT '', IsDefault boolean DEFAULT false,
    Name varchar(255) NOT NULL DEFAULT '', Phone varchar(50) NOT NULL DEFAULT '',
    PostalCode varchar(50) NOT NULL DEFAULT '', ShipSite varchar(255) NOT NULL DEFAULT '',
    State varchar(50) NOT NULL DEFAULT '', Latitude numeric(9,6) DEFAULT 0, Longitude numeric(9,6) DEFAULT 0,
    AllowPickup boolean DEFAULT false, Hours varchar(1024) NOT NULL DEFAULT '', PickupShipViaId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE ProductWarehouse (
    Id uuid NOT NULL, ProductId uuid, WarehouseId uuid, ErpQtyAvailable numeric(18,5) DEFAULT 0,
    QtyOnOrder numeric(18,5) DEFAULT 0, SafetyStock numeric(18,5) DEFAULT 0, UnitCost numeric(18,5) DEFAULT 0,
    IsDiscontinued boolean DEFAULT false, IsStocked boolean DEFAULT false,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE Customer (
    Id uuid NOT NULL, Address1 varchar(100) NOT NULL DEFAULT '', Address2 varchar(100) NOT NULL DEFAULT '',
    Address3 varchar(100) NOT NULL DEFAULT '', Address4 varchar(100) NOT NULL DEFAULT '',
    AgingBucket1 numeric(18,5) DEFAULT 0, AgingBucket2 numeric(18,5) DEFAULT 0,
    AgingBucket3 numeric(18,5) DEFAULT 0, AgingBucket4 numeric(18,5) DEFAULT 0,
    AgingBucket5 numeric(18,5) DEFAULT 0, AgingBucketFuture numeric(18,5) DEFAULT 0,
    AllowDropShip boolean DEFAULT false, Attention varchar(100) NOT NULL DEFAULT '',
    BankCode varchar(50) NOT NULL DEFAULT '', BudgetEnforcementLevel varchar(50) NOT NULL DEFAULT '',
    City varchar(100) NOT NULL DEFAULT '', CompanyName varchar(100) NOT NULL DEFAULT '',
    CostCodeDescription varchar(100) NOT NULL DEFAULT '', CountryId uuid, CreditHold boolean DEFAULT false,
    CreditLimit numeric(18,5) DEFAULT 0, CurrencyCode varchar(50) NOT NULL DEFAULT '', CurrencyId uuid,
    CustomerNumber varchar(50) NOT NULL DEFAULT '', CustomerSequence varchar(50) NOT NULL DEFAULT '',
    CustomerType varchar(50) NOT NULL DEFAULT '', CustomLandingPage varchar(1024),
    DefaultCostCode varchar(100) NOT NULL DEFAULT '', DefaultWarehouseId uuid,
    DiscountPercent numeric(18,5) DEFAULT 0, Distance numeric(18,5) DEFAULT 0,
    DropShipFeeRequired boolean DEFAULT false, Email varchar(256) NOT NULL DEFAULT '',
    EndUserType varchar(50) NOT NULL DEFAULT '', ErpNumber varchar(50) NOT NULL DEFAULT '',
    ErpSequence varchar(50) NOT NULL DEFAULT '', Fax varchar(50) NOT NULL DEFAULT '',
    FirstName varchar(100) NOT NULL DEFAULT '', FreightTerms varchar(50) NOT NULL DEFAULT '',
    IsActive boolean DEFAULT false, IsBillTo boolean DEFAULT false, IsDropShip boolean DEFAULT false,
    IsGuest boolean DEFAULT false, IsShipTo boolean DEFAULT false, IsSoldTo boolean DEFAULT false,
    IsPoRequired boolean DEFAULT false, LastName varchar(100) NOT NULL DEFAULT '',
    LogoImagePath varchar(1024) NOT NULL DEFAULT '', MiddleName varchar(100) NOT NULL DEFAULT '', ParentId uuid,
    Phone varchar(50) NOT NULL DEFAULT '', PostalCode varchar(50) NOT NULL DEFAULT '',
    PriceCode varchar(50) NOT NULL DEFAULT '', PricingCustomerId uuid, PrimarySalespersonId uuid,
    SendEmail boolean DEFAULT false, ShipCode varchar(50) NOT NULL DEFAULT '', ShipEarly boolean DEFAULT false,
    ShipPartial boolean DEFAULT false, ShipSite varchar(50) NOT NULL DEFAULT '', StateId uuid,
    TaxCode1 varchar(50) NOT NULL DEFAULT '', TaxCode2 varchar(50) NOT NULL DEFAULT '',
    TermsCode varchar(50) NOT NULL DEFAULT '', Territory varchar(100) NOT NULL DEFAULT '',
    VatNumber varchar(50) NOT NULL DEFAULT '', IsVmiLocation boolean DEFAULT false,
    CarryOverUnusedMonthlyBalances boolean DEFAULT false, ShipViaId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE UserProfile (
    Id uuid NOT NULL, UserName varchar(256) NOT NULL DEFAULT '', FirstName varchar(100) NOT NULL DEFAULT '',
    LastName varchar(100) NOT NULL DEFAULT '', Company varchar(100) NOT NULL DEFAULT '',
    Phone varchar(50) NOT NULL DEFAULT '', Extension varchar(50) NOT NULL DEFAULT '',
    Fax varchar(50) NOT NULL DEFAULT '', Position varchar(100) NOT NULL DEFAULT '',
    ActivationStatus varchar(50) NOT NULL DEFAULT '', IsGuest boolean DEFAULT false,
    Email varchar(256) NOT NULL DEFAULT '', RecentlyViewedProducts text, DefaultCustomerId uuid,
    ApproverUserProfileId uuid, LimitExceededNotification boolean DEFAULT false,
    DashboardIsHomepage boolean DEFAULT false, CurrencyId uuid, IsPasswordChangeRequired boolean DEFAULT false,
    HasRfqUpdates boolean DEFAULT false, LanguageId uuid, PasswordChangedOn timestamptz, RolesChangedOn timestamptz,
    LastLoginOn timestamptz, LastActivityDate timestamptz, IsDeactivated boolean DEFAULT false,
    LastReactivatedOn timestamptz, LastActivationEmailSentOn timestamptz, DefaultWarehouseId uuid,
    DefaultFulfillmentMethod varchar(50) NOT NULL DEFAULT '', EmailOptOutAbandonedCart boolean DEFAULT false,
    PunchOutAcceptPriceProvided boolean DEFAULT false, PunchOutUseProvidedShipToId boolean DEFAULT false,
    CarryOverUnusedMonthlyBalances boolean DEFAULT false, DisplayPricingAndInventory boolean DEFAULT false,
    ExemptFromSsoOnlyLoginPolicy boolean DEFAULT false,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE CustomerUserProfile (
    Id uuid NOT NULL, CustomerId uuid, UserProfileId uuid, IsDefault boolean DEFAULT false,
    DefaultCostCode varchar(100) NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE UserProfileWebsite (
    Id uuid NOT NULL, UserProfileId uuid, WebsiteId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE OrderStatusMapping (
    Id uuid NOT NULL, ErpOrderStatus varchar(50) NOT NULL DEFAULT '',
    DisplayName varchar(50) NOT NULL DEFAULT '', IsDefault boolean DEFAULT false, AllowRma boolean DEFAULT false,
    AllowCancellation boolean DEFAULT false, OdpActionType varchar(50),
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE CustomerOrder (
    Id uuid NOT NULL, CustomerId uuid, ShipToId uuid, WebsiteId uuid, Type varchar(50) NOT NULL DEFAULT '',
    Status varchar(50) NOT NULL DEFAULT '', OrderNumber varchar(50) NOT NULL DEFAULT '', OrderDate timestamptz,
    CustomerPO varchar(50) NOT NULL DEFAULT '', TermsCode varchar(50) NOT NULL DEFAULT '',
    ShipCode varchar(50) NOT NULL DEFAULT '', TaxCode1 varchar(50) NOT NULL DEFAULT '',
    TaxCode2 varchar(50) NOT NULL DEFAULT '', ShipEarly boolean DEFAULT false, ShipPartial boolean DEFAULT false,
    Notes text NOT NULL DEFAULT '', ShippingCharges numeric(18,5) DEFAULT 0,
    HandlingCharges numeric(18,5) DEFAULT 0, StateTax numeric(18,5) DEFAULT 0, LocalTax numeric(18,5) DEFAULT 0,
    CustomerNumber varchar(50) NOT NULL DEFAULT '', CustomerSequence varchar(50) NOT NULL DEFAULT '',
    BtCompanyName varchar(100) NOT NULL DEFAULT '', BtFirstName varchar(100) NOT NULL DEFAULT '',
    BtMiddleName varchar(100) NOT NULL DEFAULT '', BtLastName varchar(100) NOT NULL DEFAULT '',
    BtPhone varchar(50) NOT NULL DEFAULT '', BtAddress1 varchar(100) NOT NULL DEFAULT '',
    BtAddress2 varchar(100) NOT NULL DEFAULT '', BtAddress3 varchar(100) NOT NULL DEFAULT '',
    BtAddress4 varchar(100) NOT NULL DEFAULT '', BtCity varchar(100) NOT NULL DEFAULT '',
    BtState varchar(50) NOT NULL DEFAULT '', BtPostalCode varchar(50) NOT NULL DEFAULT '',
    BtCountry varchar(100) NOT NULL DEFAULT '', BtEmail varchar(100) NOT NULL DEFAULT '',
    StCompanyName varchar(100) NOT NULL DEFAULT '', StFirstName varchar(100) NOT NULL DEFAULT '',
    StMiddleName varchar(100) NOT NULL DEFAULT '', StLastName varchar(100) NOT NULL DEFAULT '',
    StPhone varchar(50) NOT NULL DEFAULT '', StAddress1 varchar(100) NOT NULL DEFAULT '',
    StAddress2 varchar(100) NOT NULL DEFAULT '', StAddress3 varchar(100) NOT NULL DEFAULT '',
    StAddress4 varchar(100) NOT NULL DEFAULT '', StCity varchar(100) NOT NULL DEFAULT '',
    StState varchar(50) NOT NULL DEFAULT '', StPostalCode varchar(50) NOT NULL DEFAULT '',
    StCountry varchar(100) NOT NULL DEFAULT '', StEmail varchar(100) NOT NULL DEFAULT '',
    PlacedByUserName varchar(256) NOT NULL DEFAULT '', AffiliateId uuid, Residential boolean DEFAULT false,
    InsideDelivery boolean DEFAULT false, CollectAccountNumber varchar(50) NOT NULL DEFAULT '',
    ShipmentQuoteNumber varchar(50) NOT NULL DEFAULT '', CustomerReference1 varchar(50) NOT NULL DEFAULT '',
    CustomerReference2 varchar(50) NOT NULL DEFAULT '', ShipViaId uuid, DropShipCustomerId uuid,
    RequestedShipDate timestamptz, RequestedDeliveryDate timestamptz, Buyer varchar(100) NOT NULL DEFAULT '',
    BatchNumber integer DEFAULT 0, SubscriptionId uuid, VerificationSentOn timestamptz,
    ErpOrderNumber varchar(50) NOT NULL DEFAULT '', InitiatedByUserProfileId uuid, ApproverUserProfileId uuid,
    PlacedByUserProfileId uuid, ApproverMessage varchar(255) NOT NULL DEFAULT '', CurrencyId uuid,
    ConversionRate numeric(18,5) DEFAULT 0, QuoteExpirationDate timestamptz, QuotedByUserProfileId uuid,
    SalespersonId uuid, DefaultWarehouseId uuid, LanguageId uuid, RecalculatePromotions boolean DEFAULT false,
    RecalculateTax boolean DEFAULT false, ShippingCalculationNeededAsOf timestamptz,
    OtherCharges numeric(18,5) DEFAULT 0, TaxAmount numeric(18,5) DEFAULT 0, OrderTotal numeric(18,5) DEFAULT 0,
    ImpersonatedByAdminUserProfileId uuid, LastPricingOn timestamptz, IsGuestOrder boolean DEFAULT false,
    FulfillmentMethod varchar(50) NOT NULL DEFAULT '', RequestedPickupDate timestamptz,
    TaxCalculated boolean DEFAULT false, ReminderSent boolean DEFAULT false,
    CustomerVatNumber varchar(50) NOT NULL DEFAULT '', ShippingVatAmount numeric(18,5) DEFAULT 0,
    VmiLocationId uuid, OrderSource varchar(50) NOT NULL DEFAULT '',
    OrderDeviceType varchar(50) NOT NULL DEFAULT '', IsCommerceOrder boolean DEFAULT false,
    AdditionalEmails text NOT NULL DEFAULT '', OrderApprovalEmailSent boolean DEFAULT false,
    OrderApprovalStatus text NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE OrderLine (
    Id uuid NOT NULL, CustomerOrderId uuid, Line integer DEFAULT 0, Release integer DEFAULT 0, ProductId uuid,
    WebsiteId uuid, Status varchar(50) NOT NULL DEFAULT '', Description varchar(2048) NOT NULL DEFAULT '',
    Notes text NOT NULL DEFAULT '', QtyOrdered numeric(18,5) DEFAULT 0, UnitRegularPrice numeric(18,5) DEFAULT 0,
    UnitNetPrice numeric(18,5) DEFAULT 0, UnitOfMeasure varchar(50) NOT NULL DEFAULT '',
    QtyShipped numeric(18,5) DEFAULT 0, TaxCode1 varchar(50) NOT NULL DEFAULT '',
    TaxCode2 varchar(50) NOT NULL DEFAULT '', DueDate timestamptz, PromiseDate timestamptz,
    ShipSite varchar(50) NOT NULL DEFAULT '', ShipDate timestamptz, IsPromotionItem boolean DEFAULT false,
    PromotionResultId uuid, CustomerPOLine varchar(50) NOT NULL DEFAULT '',
    CostCode varchar(100) NOT NULL DEFAULT '', OrderLineOtherCharges numeric(18,5) DEFAULT 0,
    TaxAmount numeric(18,5) DEFAULT 0, TotalRegularPrice numeric(18,5) DEFAULT 0,
    TotalNetPrice numeric(18,5) DEFAULT 0, WarehouseId uuid, UnitListPrice numeric(18,5) DEFAULT 0,
    UnitCost numeric(18,5) DEFAULT 0, SmartPart varchar(256) NOT NULL DEFAULT '',
    ConfigurationViewModel text NOT NULL DEFAULT '', ConfigDataSet text NOT NULL DEFAULT '',
    NetPriceWithVat numeric(18,5) DEFAULT 0, UnitPriceWithVat numeric(18,5) DEFAULT 0, VmiBinId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE CustomerOrderPromotion (
    Id uuid NOT NULL, CustomerOrderId uuid, PromotionId uuid, OrderLineId uuid,
    Amount double precision DEFAULT 0, PromotionResultId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE CustomProperty (
    Id uuid NOT NULL, ParentTable varchar(100) NOT NULL DEFAULT '', ParentId uuid,
    Name varchar(100) NOT NULL DEFAULT '', Value text NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE OrderHistory (
    Id uuid NOT NULL, ErpOrderNumber varchar(50) NOT NULL DEFAULT '',
    WebOrderNumber varchar(50) NOT NULL DEFAULT '', OrderDate timestamptz, Status varchar(50) NOT NULL DEFAULT '',
    CustomerNumber varchar(50) NOT NULL DEFAULT '', CustomerSequence varchar(50) NOT NULL DEFAULT '',
    CustomerPO varchar(50) NOT NULL DEFAULT '', CurrencyCode varchar(50) NOT NULL DEFAULT '',
    Terms varchar(50) NOT NULL DEFAULT '', ShipCode varchar(50) NOT NULL DEFAULT '',
    Salesperson varchar(50) NOT NULL DEFAULT '', BtCompanyName varchar(100) NOT NULL DEFAULT '',
    BtAddress1 varchar(100) NOT NULL DEFAULT '', BtAddress2 varchar(100) NOT NULL DEFAULT '',
    BtAddress3 varchar(100) NOT NULL DEFAULT '', BtAddress4 varchar(100) NOT NULL DEFAULT '',
    BtCity varchar(100) NOT NULL DEFAULT '', BtState varchar(50) NOT NULL DEFAULT '',
    BtPostalCode varchar(50) NOT NULL DEFAULT '', BtCountry varchar(100) NOT NULL DEFAULT '',
    StCompanyName varchar(100) NOT NULL DEFAULT '', StAddress1 varchar(100) NOT NULL DEFAULT '',
    StAddress2 varchar(100) NOT NULL DEFAULT '', StAddress3 varchar(100) NOT NULL DEFAULT '',
    StAddress4 varchar(100) NOT NULL DEFAULT '', StCity varchar(100) NOT NULL DEFAULT '',
    StState varchar(50) NOT NULL DEFAULT '', StPostalCode varchar(50) NOT NULL DEFAULT '',
    StCountry varchar(100) NOT NULL DEFAULT '', Notes text NOT NULL DEFAULT '',
    ProductTotal numeric(18,5) DEFAULT 0, OrderDiscountAmount numeric(18,5) DEFAULT 0,
    ProductDiscountAmount numeric(18,5) DEFAULT 0, ShippingCharges numeric(18,5) DEFAULT 0,
    HandlingCharges numeric(18,5) DEFAULT 0, OtherCharges numeric(18,5) DEFAULT 0,
    TaxAmount numeric(18,5) DEFAULT 0, OrderTotal numeric(18,5) DEFAULT 0,
    ConversionRate double precision DEFAULT 0, RequestedDeliveryDate timestamptz,
    ImpersonatedByAdminUserProfileId uuid, IsGuestOrder boolean DEFAULT false,
    FulfillmentMethod varchar(50) NOT NULL DEFAULT '', CustomerVatNumber varchar(50) NOT NULL DEFAULT '',
    ShippingVatAmount numeric(18,5) DEFAULT 0, VmiLocationId uuid, VmiLocationName varchar(255) NOT NULL DEFAULT '',
    OrderSource varchar(50) NOT NULL DEFAULT '', OrderDeviceType varchar(50) NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE OrderHistoryLine (
    Id uuid NOT NULL, OrderHistoryId uuid, LineNumber numeric(18,5) DEFAULT 0,
    ReleaseNumber numeric(18,5) DEFAULT 0, RequiredDate timestamptz, LastShipDate timestamptz,
    CustomerNumber varchar(50) NOT NULL DEFAULT '', CustomerSequence varchar(50) NOT NULL DEFAULT '',
    LineType varchar(50) NOT NULL DEFAULT '', Status varchar(50) NOT NULL DEFAULT '',
    ProductErpNumber varchar(50) NOT NULL DEFAULT '', CustomerProductNumber varchar(50) NOT NULL DEFAULT '',
    LinePOReference varchar(50) NOT NULL DEFAULT '', Description varchar(2048) NOT NULL DEFAULT '',
    Warehouse varchar(50) NOT NULL DEFAULT '', Notes text NOT NULL DEFAULT '', QtyOrdered numeric(18,5) DEFAULT 0,
    QtyShipped numeric(18,5) DEFAULT 0, UnitOfMeasure varchar(50) NOT NULL DEFAULT '',
    InventoryQtyOrdered numeric(18,5) DEFAULT 0, InventoryQtyShipped numeric(18,5) DEFAULT 0,
    UnitNetPrice numeric(18,5) DEFAULT 0, DiscountPercent numeric(18,5) DEFAULT 0,
    UnitDiscountAmount numeric(18,5) DEFAULT 0, TotalDiscountAmount numeric(18,5) DEFAULT 0,
    TotalRegularPrice numeric(18,5) DEFAULT 0, TotalNetPrice numeric(18,5) DEFAULT 0,
    RmaQtyRequested numeric(18,5) DEFAULT 0, RmaQtyReceived numeric(18,5) DEFAULT 0,
    UnitListPrice numeric(18,5) DEFAULT 0, UnitRegularPrice numeric(18,5) DEFAULT 0,
    UnitCost numeric(18,5) DEFAULT 0, OrderLineOtherCharges numeric(18,5) DEFAULT 0,
    TaxRate numeric(18,5) DEFAULT 0, TaxAmount numeric(18,5) DEFAULT 0, ConfigDataSet text NOT NULL DEFAULT '',
    NetPriceWithVat numeric(18,5) DEFAULT 0, UnitPriceWithVat numeric(18,5) DEFAULT 0, VmiBinId uuid,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE JobDefinition (
    Id uuid NOT NULL, IntegrationConnectionId uuid, StandardJobName varchar(50) NOT NULL DEFAULT '',
    Name varchar(255) NOT NULL DEFAULT '', Description varchar(2048) NOT NULL DEFAULT '',
    JobType varchar(255) NOT NULL DEFAULT '', DebuggingEnabled boolean DEFAULT false,
    PassThroughJob boolean DEFAULT false, NotifyEmail varchar(255) NOT NULL DEFAULT '',
    NotifyCondition varchar(255) NOT NULL DEFAULT '', LinkedJobId uuid,
    PassDataSetToLinkedJob boolean DEFAULT false, UseDeltaDataSet boolean DEFAULT false,
    PreProcessor varchar(510) NOT NULL DEFAULT '', IntegrationProcessor varchar(510) NOT NULL DEFAULT '',
    PostProcessor varchar(510) NOT NULL DEFAULT '', LastRunDateTime timestamptz,
    LastRunJobNumber varchar(255) NOT NULL DEFAULT '', LastRunStatus varchar(255) NOT NULL DEFAULT '',
    RecurringJob boolean DEFAULT false, RecurringStartDateTime timestamptz, RecurringEndDateTime timestamptz,
    RecurringInterval integer DEFAULT 0, RecurringType varchar(50) NOT NULL DEFAULT '',
    RecurringStartTime timestamptz, RecurringStartDay integer DEFAULT 0,
    RecurringAdvancedMode boolean DEFAULT false, RecurringCronExpression varchar(200), EmailTemplateId uuid,
    RunStepsInParallel boolean DEFAULT false, LinkedJobCondition varchar(50) NOT NULL DEFAULT '',
    MaxErrorsBeforeFail integer DEFAULT 0, MaxWarningsBeforeFail integer DEFAULT 0, MaxRetries integer DEFAULT 0,
    MaxDeactivationPercent integer DEFAULT 0, MaxTimeoutMinutes integer DEFAULT 0,
    RefreshBatchSize integer DEFAULT 0,
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);

CREATE TABLE JobDefinitionParameter (
    Id uuid NOT NULL, JobDefinitionId uuid, Sequence integer DEFAULT 0,
    ValueType varchar(255) NOT NULL DEFAULT '', DefaultValue text NOT NULL DEFAULT '',
    Prompt varchar(1024) NOT NULL DEFAULT '', Name varchar(255) NOT NULL DEFAULT '',
    CreatedOn timestamptz NOT NULL DEFAULT now(), CreatedBy varchar(100) NOT NULL DEFAULT '',
    ModifiedOn timestamptz NOT NULL DEFAULT now(), ModifiedBy varchar(100) NOT NULL DEFAULT ''
);
