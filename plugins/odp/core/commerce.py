"""
The Commerce tables and columns that the exports read.

``odp.core.replica`` compares this catalogue with what a replica has: a missing required table or column stops the
export with its name, a missing optional one only costs the fields read from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """
    One column of a Commerce table.

    :param name: its name as Commerce spells it; a replica may have it in any case.
    :param type: its PostgreSQL type, which a stand-in for a missing column is given.
    :param required: whether the table is of no use without it.
    """

    name: str
    type: str
    required: bool


@dataclass(frozen=True)
class Table:
    """
    One Commerce table.

    :param name: its name as Commerce spells it; a replica may have it in any case.
    :param required: whether the exports that read it need it. An optional table that lacks one of its required columns
        counts as missing.
    :param columns: the columns that are read. Other columns of the replica do no harm.
    """

    name: str
    required: bool
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """
        Return the column of that name in any case, or None.

        :param name: name of the column.
        """
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)


def _table(name: str, columns: str, *, required: bool = False) -> Table:
    """Read ``"uuid: Id!, BrandId; text: Name"``: columns by type, ``!`` marks the required ones."""
    read = []
    for group in columns.split(";"):
        type_name, _, names = group.partition(":")
        for column in names.split(","):
            spelled = column.strip()
            read.append(Column(spelled.rstrip("!"), type_name.strip(), spelled.endswith("!")))
    return Table(name, required, tuple(read))


_TABLES = (
    _table(
        "Product",
        """
        uuid: Id!, StyleParentId, BrandId, ProductLineId, VendorId;
        timestamptz: ModifiedOn!, ActivateOn, DeactivateOn, BasicSaleStartDate, BasicSaleEndDate;
        text: ErpNumber, Name, ShortDescription, Sku, UpcCode, UrlSegment, ManufacturerItem, ModelNumber, Unspsc,
            ProductCode, PriceCode, UnitOfMeasure;
        numeric: BasicListPrice, BasicSalePrice;
        boolean: IsDiscontinued, TrackInventory, IsStocked
        """,
        required=True,
    ),
    _table(
        "Warehouse",
        """
        uuid: Id!, CountryId;
        timestamptz: ModifiedOn!, DeactivateOn;
        text: Name, Description, ContactName, ShipSite, Address1, Address2, City, State, PostalCode, Phone, Hours;
        numeric: Latitude, Longitude;
        boolean: IsDefault, AllowPickup
        """,
        required=True,
    ),
    _table(
        "Customer",
        """
        uuid: Id!, ParentId, CountryId, StateId, CurrencyId, DefaultWarehouseId;
        timestamptz: ModifiedOn!, CreatedOn;
        text: CustomerNumber, CustomerSequence, ErpNumber, ErpSequence, CompanyName, FirstName, LastName, Email, Phone,
            Fax, Attention, Address1, Address2, City, PostalCode, CustomerType, PriceCode, TermsCode, Territory,
            CurrencyCode;
        boolean: IsGuest!, IsBillTo, IsShipTo, IsSoldTo, IsActive, CreditHold
        """,
        required=True,
    ),
    _table(
        "UserProfile",
        """
        uuid: Id!, DefaultCustomerId, DefaultWarehouseId, CurrencyId, LanguageId;
        timestamptz: ModifiedOn!, CreatedOn, LastLoginOn;
        text: Email!, UserName, FirstName, LastName, Phone, Company, Position, Extension, Fax, ActivationStatus;
        boolean: IsGuest!, IsDeactivated, EmailOptOutAbandonedCart
        """,
        required=True,
    ),
    _table(
        "CustomerUserProfile",
        """
        uuid: Id!, CustomerId!, UserProfileId!;
        timestamptz: ModifiedOn!, CreatedOn;
        boolean: IsDefault
        """,
        required=True,
    ),
    _table(
        "CustomerOrder",
        """
        uuid: Id!, PlacedByUserProfileId!, InitiatedByUserProfileId, CustomerId, ShipToId, WebsiteId, CurrencyId,
            DefaultWarehouseId;
        timestamptz: ModifiedOn!, OrderDate!;
        text: OrderNumber!, Status!, ErpOrderNumber, CustomerPO, FulfillmentMethod, OrderSource, OrderDeviceType,
            BTFirstName, BTLastName, BTEmail, BTPhone,
            BTAddress1, BTAddress2, BTAddress3, BTAddress4, BTCity, BTState, BTPostalCode, BTCountry,
            STEmail, STAddress1, STAddress2, STAddress3, STAddress4, STCity, STState, STPostalCode, STCountry;
        numeric: OrderTotal, TaxAmount, StateTax, LocalTax, ShippingCharges, HandlingCharges, ConversionRate;
        boolean: IsGuestOrder
        """,
        required=True,
    ),
    _table(
        "OrderLine",
        """
        uuid: Id!, CustomerOrderId!, ProductId!;
        timestamptz: ModifiedOn!;
        integer: Line, Release;
        numeric: QtyOrdered!, UnitRegularPrice, UnitNetPrice, TotalRegularPrice, TotalNetPrice
        """,
        required=True,
    ),
    _table(
        "OrderHistory",
        """
        uuid: Id!;
        timestamptz: ModifiedOn!, OrderDate!;
        text: WebOrderNumber!, ErpOrderNumber!, Status!, CustomerNumber, CustomerSequence, CustomerPO, CurrencyCode,
            FulfillmentMethod, OrderSource, OrderDeviceType,
            BTAddress1, BTAddress2, BTAddress3, BTAddress4, BTCity, BTState, BTPostalCode, BTCountry,
            STAddress1, STAddress2, STAddress3, STAddress4, STCity, STState, STPostalCode, STCountry;
        numeric: OrderTotal, ProductTotal, OrderDiscountAmount, TaxAmount, ShippingCharges, HandlingCharges;
        double precision: ConversionRate;
        boolean: IsGuestOrder
        """,
    ),
    _table(
        "OrderHistoryLine",
        """
        uuid: Id!, OrderHistoryId!;
        timestamptz: ModifiedOn!;
        text: ProductErpNumber!;
        numeric: LineNumber, ReleaseNumber, QtyOrdered!, UnitRegularPrice, UnitNetPrice, TotalRegularPrice, TotalNetPrice
        """,
    ),
    _table("OrderStatusMapping", "uuid: Id!; text: ErpOrderStatus!, OdpActionType!"),
    _table(
        "CustomerOrderPromotion",
        "uuid: Id, CustomerOrderId!, OrderLineId!; timestamptz: ModifiedOn; double precision: Amount!",
    ),
    _table("Brand", "uuid: Id!; text: Name!"),
    _table("ProductLine", "uuid: Id!; text: Name!"),
    _table("Vendor", "uuid: Id!; text: Name!"),
    _table("Category", "uuid: Id!, ParentId, WebsiteId; text: Name!; integer: SortOrder"),
    _table("CategoryProduct", "uuid: Id!, CategoryId!, ProductId!; timestamptz: ModifiedOn; boolean: IsPrimaryCategory"),
    _table(
        "ProductImage",
        """
        uuid: Id!, ProductId!;
        timestamptz: ModifiedOn;
        integer: SortOrder;
        text: SmallImagePath, MediumImagePath, LargeImagePath
        """,
    ),
    _table("Website", "uuid: Id!; timestamptz: CreatedOn; text: Name, DomainName; boolean: IsActive"),
    _table("UserProfileWebsite", "uuid: Id!, UserProfileId!, WebsiteId!; timestamptz: ModifiedOn"),
    _table("Country", "uuid: Id!; text: IsoCode2!"),
    _table("State", "uuid: Id!; text: Abbreviation!"),
    _table("Currency", "uuid: Id!; text: CurrencyCode!"),
    _table("Language", "uuid: Id!; text: LanguageCode!"),
    _table(
        "StorefrontEvent",
        """
        uuid: Id!, UserProfileId, CustomerId, WebsiteId;
        timestamptz: OccurredOn!;
        text: Type!, Action, Email, Vuid, ProductId, SearchTerm, Page, Category
        """,
    ),
    _table("CustomProperty", "uuid: Id, ParentId!; timestamptz: ModifiedOn!; text: ParentTable!, Name, Value"),
)

TABLES: Mapping[str, Table] = {table.name: table for table in _TABLES}
"""The catalogue, by the name of the table as Commerce spells it."""

READS: Mapping[str, tuple[str, ...]] = {
    "products.sql": (
        "Product",
        "Brand",
        "ProductLine",
        "Vendor",
        "Category",
        "CategoryProduct",
        "ProductImage",
        "CustomProperty",
        "Website",
    ),
    "warehouses.sql": ("Warehouse", "Country", "CustomProperty"),
    "orders.sql": (
        "CustomerOrder",
        "OrderLine",
        "CustomerOrderPromotion",
        "UserProfile",
        "Currency",
        "Website",
        "CustomProperty",
    ),
    "customers.sql": ("Customer", "Country", "State", "Currency", "CustomProperty"),
    "user_profiles.sql": ("UserProfile", "UserProfileWebsite", "Currency", "Language", "CustomProperty"),
    "customer_user_profiles.sql": ("CustomerUserProfile", "Customer", "UserProfile", "CustomProperty"),
    "order_history.sql": (
        "OrderHistory",
        "OrderHistoryLine",
        "CustomerOrder",
        "Customer",
        "CustomerUserProfile",
        "UserProfile",
        "Product",
    ),
    "order_status_mapping.sql": ("OrderStatusMapping",),
    "user_events.sql": ("UserProfile", "StorefrontEvent", "UserProfileWebsite"),
}
"""The tables each file of ``include/sql`` reads, the one it is about first."""
