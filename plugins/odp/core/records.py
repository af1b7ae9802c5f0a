"""
The contracts: what ODP is sent, one class per target.

Each field says of which kind it is and which Commerce columns it is read from; ``include/sql`` selects the columns
under the names used here. A column of the SQL that no contract knows is sent as a custom field, so a tenant extends an
export there and not in this module.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from odp.core.fields import Boolean, Email, Identifier, Number, Text, Timestamp, read_from, required_from


class Record(BaseModel):
    """What all contracts share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: ClassVar[tuple[str, ...]]
    """Names of the fields that tell two records apart."""

    object_name: ClassVar[str]
    """Name of the ODP object, as in the path of its API."""

    object_alias: ClassVar[str]
    """Name of one row of the object, needed when the object is created."""

    object_display_name: ClassVar[str]
    """Name of the object for people, needed when the object is created."""

    standard_fields: ClassVar[frozenset[str]] = frozenset()
    """Fields that every ODP account has from the start; the others have to be created."""

    envelope: ClassVar[frozenset[str]] = frozenset()
    """Fields that decide how a record is sent and are not part of the object: identifiers, times, the status."""

    cleared: ClassVar[frozenset[str]] = frozenset()
    """Fields that are sent as null where they have no value, so that ODP clears them; others are left out then."""

    reserved: ClassVar[frozenset[str]] = frozenset()
    """Names that the record's form gives to parts of its own: no column of its mapping file can be called so."""


class Product(Record):
    """A product, discontinued and inactive ones included: past events refer to them."""

    key: ClassVar[tuple[str, ...]] = ("product_id",)
    object_name: ClassVar[str] = "products"
    object_alias: ClassVar[str] = "product"
    object_display_name: ClassVar[str] = "Products"
    standard_fields: ClassVar[frozenset[str]] = frozenset(
        {"product_id", "parent_product_id", "name", "brand", "sku", "upc", "image_url", "price"}
    )

    product_id: Identifier = required_from("Product.Id")
    parent_product_id: Identifier | None = read_from("Product.StyleParentId")
    product_number: Text | None = read_from("Product.ErpNumber")
    name: Text | None = read_from("Product.ShortDescription, else Product.Name")
    brand: Text | None = read_from("Brand.Name")
    sku: Text | None = read_from("Product.Sku, else Product.ErpNumber")
    upc: Text | None = read_from("Product.UpcCode")
    category: Text | None = read_from("path of Category.Name from the root, of the primary CategoryProduct.CategoryId")
    price: Number | None = read_from("Product.BasicListPrice")
    sale_price: Number | None = read_from(
        "Product.BasicSalePrice between Product.BasicSaleStartDate and Product.BasicSaleEndDate"
    )
    image_url: Text | None = read_from(
        "ProductImage.MediumImagePath, else ProductImage.LargeImagePath, else ProductImage.SmallImagePath"
    )
    product_url: Text | None = read_from("site address and Product.UrlSegment")
    manufacturer_item: Text | None = read_from("Product.ManufacturerItem")
    model_number: Text | None = read_from("Product.ModelNumber")
    unspsc: Text | None = read_from("Product.Unspsc")
    product_code: Text | None = read_from("Product.ProductCode")
    price_code: Text | None = read_from("Product.PriceCode")
    unit_of_measure: Text | None = read_from("Product.UnitOfMeasure")
    product_line: Text | None = read_from("ProductLine.Name")
    vendor: Text | None = read_from("Vendor.Name")
    is_discontinued: Boolean | None = read_from("Product.IsDiscontinued")
    track_inventory: Boolean | None = read_from("Product.TrackInventory")
    is_stocked: Boolean | None = read_from("Product.IsStocked")
    is_active: Boolean | None = read_from("Product.ActivateOn, Product.DeactivateOn, Product.IsDiscontinued")


class Warehouse(Record):
    """A place that stocks products."""

    key: ClassVar[tuple[str, ...]] = ("warehouse_id",)
    object_name: ClassVar[str] = "warehouses"
    object_alias: ClassVar[str] = "warehouse"
    object_display_name: ClassVar[str] = "Warehouses"

    warehouse_id: Identifier = required_from("Warehouse.Id")
    name: Text | None = read_from("Warehouse.Name")
    description: Text | None = read_from("Warehouse.Description")
    contact_name: Text | None = read_from("Warehouse.ContactName")
    ship_site: Text | None = read_from("Warehouse.ShipSite")
    street1: Text | None = read_from("Warehouse.Address1")
    street2: Text | None = read_from("Warehouse.Address2")
    city: Text | None = read_from("Warehouse.City")
    state: Text | None = read_from("Warehouse.State")
    zip: Text | None = read_from("Warehouse.PostalCode")
    country: Text | None = read_from("Country.IsoCode2")
    phone: Text | None = read_from("Warehouse.Phone")
    hours: Text | None = read_from("Warehouse.Hours")
    latitude: Number | None = read_from("Warehouse.Latitude, unless Warehouse.Longitude is 0 as well")
    longitude: Number | None = read_from("Warehouse.Longitude, unless Warehouse.Latitude is 0 as well")
    is_default: Boolean | None = read_from("Warehouse.IsDefault")
    allow_pickup: Boolean | None = read_from("Warehouse.AllowPickup")
    is_active: Boolean | None = read_from("Warehouse.DeactivateOn")


class Business(Record):
    """A Commerce customer, which is an account (bill-to or ship-to) and not a person."""

    key: ClassVar[tuple[str, ...]] = ("business_id",)
    object_name: ClassVar[str] = "businesses"
    object_alias: ClassVar[str] = "business"
    object_display_name: ClassVar[str] = "Businesses"

    business_id: Identifier = required_from("Customer.Id")
    parent_business_id: Identifier | None = read_from("Customer.ParentId")
    business_level: Text | None = read_from("depth of the chain of Customer.ParentId: parent, child or grandchild")
    name: Text | None = read_from(
        "Customer.CompanyName, else Customer.FirstName and Customer.LastName, else Customer.CustomerNumber"
    )
    customer_number: Text | None = read_from("Customer.CustomerNumber")
    customer_sequence: Text | None = read_from("Customer.CustomerSequence")
    erp_number: Text | None = read_from("Customer.ErpNumber")
    erp_sequence: Text | None = read_from("Customer.ErpSequence")
    is_bill_to: Boolean | None = read_from("Customer.IsBillTo")
    is_ship_to: Boolean | None = read_from("Customer.IsShipTo")
    is_sold_to: Boolean | None = read_from("Customer.IsSoldTo")
    is_guest: Boolean | None = read_from("Customer.IsGuest")
    is_active: Boolean | None = read_from("Customer.IsActive")
    email: Text | None = read_from("Customer.Email")
    phone: Text | None = read_from("Customer.Phone")
    fax: Text | None = read_from("Customer.Fax")
    attention: Text | None = read_from("Customer.Attention")
    street1: Text | None = read_from("Customer.Address1")
    street2: Text | None = read_from("Customer.Address2")
    city: Text | None = read_from("Customer.City")
    state: Text | None = read_from("State.Abbreviation")
    zip: Text | None = read_from("Customer.PostalCode")
    country: Text | None = read_from("Country.IsoCode2")
    customer_type: Text | None = read_from("Customer.CustomerType")
    price_code: Text | None = read_from("Customer.PriceCode")
    terms_code: Text | None = read_from("Customer.TermsCode")
    territory: Text | None = read_from("Customer.Territory")
    currency: Text | None = read_from("Currency.CurrencyCode, else Customer.CurrencyCode")
    default_warehouse_id: Identifier | None = read_from("Customer.DefaultWarehouseId")
    credit_hold: Boolean | None = read_from("Customer.CreditHold")
    created_at: Timestamp | None = read_from("Customer.CreatedOn")


class Profile(Record):
    """
    A person.

    The account's e-mail mode decides which of ``email`` and ``business_user_id`` is required: ``odp.core.transform``.
    """

    key: ClassVar[tuple[str, ...]] = ("email", "business_user_id")
    object_name: ClassVar[str] = "customers"
    object_alias: ClassVar[str] = "customer"
    object_display_name: ClassVar[str] = "Customers"
    standard_fields: ClassVar[frozenset[str]] = frozenset({"email", "first_name", "last_name", "phone"})

    email: Email | None = read_from("UserProfile.Email, where e-mail addresses are unique")
    business_user_id: Identifier | None = read_from("UserProfile.Id")
    contact_email: Text | None = read_from("UserProfile.Email, where e-mail addresses are not unique")
    first_name: Text | None = read_from("UserProfile.FirstName")
    last_name: Text | None = read_from("UserProfile.LastName")
    phone: Text | None = read_from("UserProfile.Phone")
    user_name: Text | None = read_from("UserProfile.UserName")
    company: Text | None = read_from("UserProfile.Company")
    position: Text | None = read_from("UserProfile.Position")
    extension: Text | None = read_from("UserProfile.Extension")
    fax: Text | None = read_from("UserProfile.Fax")
    activation_status: Text | None = read_from("UserProfile.ActivationStatus")
    is_active: Boolean | None = read_from("not UserProfile.IsDeactivated")
    is_guest: Boolean | None = read_from("UserProfile.IsGuest")
    last_login_at: Timestamp | None = read_from("UserProfile.LastLoginOn")
    created_at: Timestamp | None = read_from("UserProfile.CreatedOn")
    default_business_id: Identifier | None = read_from("UserProfile.DefaultCustomerId")
    default_warehouse_id: Identifier | None = read_from("UserProfile.DefaultWarehouseId")
    currency: Text | None = read_from("Currency.CurrencyCode")
    language: Text | None = read_from("Language.LanguageCode")
    email_opt_out_abandoned_cart: Boolean | None = read_from("UserProfile.EmailOptOutAbandonedCart")


class ProfileByEmail(Profile):
    """A person in an account where e-mail addresses are unique: the address identifies."""

    key: ClassVar[tuple[str, ...]] = ("email",)

    email: Email = required_from("UserProfile.Email")


class ProfileByUserId(Profile):
    """A person in an account where people share e-mail addresses: only Commerce's own id identifies."""

    key: ClassVar[tuple[str, ...]] = ("business_user_id",)

    business_user_id: Identifier = required_from("UserProfile.Id")


class BusinessUser(Record):
    """The link that lets a person buy for an account."""

    key: ClassVar[tuple[str, ...]] = ("business_id", "user_id")
    object_name: ClassVar[str] = "business_users"
    object_alias: ClassVar[str] = "business_user"
    object_display_name: ClassVar[str] = "Business Users"

    business_id: Identifier = required_from("CustomerUserProfile.CustomerId")
    user_id: Identifier = required_from("CustomerUserProfile.UserProfileId")
    business_user_id: Identifier | None = read_from("CustomerUserProfile.UserProfileId")
    business_user_link_id: Identifier | None = read_from("CustomerUserProfile.Id")
    email: Text | None = read_from("UserProfile.Email, where e-mail addresses are unique")
    is_default: Boolean | None = read_from("CustomerUserProfile.IsDefault")
    created_at: Timestamp | None = read_from("CustomerUserProfile.CreatedOn")


class OrderItem(BaseModel):
    """One line of an order. ODP ignores custom fields in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    product_id: Identifier = required_from("OrderLine.ProductId")
    price: Number | None = read_from("OrderLine.UnitRegularPrice, else OrderLine.UnitNetPrice")
    quantity: Number | None = read_from("OrderLine.QtyOrdered")
    discount: Number | None = read_from(
        "OrderLine.TotalRegularPrice, else OrderLine.UnitRegularPrice times OrderLine.QtyOrdered; less the subtotal"
    )
    subtotal: Number | None = read_from("OrderLine.TotalNetPrice, else OrderLine.UnitNetPrice times OrderLine.QtyOrdered")


class Order(Record):
    """
    An order: the header sent as event or, after a change, as object, and its lines.

    ``odp.core.order_status`` tells from ``order_status`` which events an order becomes, if any.
    """

    key: ClassVar[tuple[str, ...]] = ("order_id",)
    object_name: ClassVar[str] = "orders"
    object_alias: ClassVar[str] = "order"
    object_display_name: ClassVar[str] = "Orders"
    standard_fields: ClassVar[frozenset[str]] = frozenset(
        {"order_id", "total", "discount", "subtotal", "tax", "shipping", "coupon_code"}
        | {"first_name", "last_name", "email", "phone", "bill_address", "ship_address"}
    )
    envelope: ClassVar[frozenset[str]] = frozenset(
        {"order_status", "purchased_at", "cancelled_at", "identifier_email", "identifier_business_user_id", "items"}
    )
    reserved: ClassVar[frozenset[str]] = frozenset({"action", "identifiers", "idempotence_id", "items", "status", "ts"})

    order_id: Identifier = required_from("CustomerOrder.OrderNumber")
    order_status: Text = required_from("CustomerOrder.Status")
    purchased_at: Timestamp = required_from("CustomerOrder.OrderDate")
    cancelled_at: Timestamp | None = read_from("CustomerOrder.ModifiedOn, else CustomerOrder.OrderDate")
    identifier_email: Email | None = read_from(
        "UserProfile.Email of the person, where e-mail addresses are unique; for guests CustomerOrder.BTEmail, "
        "else CustomerOrder.STEmail"
    )
    identifier_business_user_id: Identifier | None = read_from(
        "CustomerOrder.PlacedByUserProfileId, else CustomerOrder.InitiatedByUserProfileId; never a guest's"
    )
    total: Number | None = read_from("CustomerOrder.OrderTotal")
    discount: Number | None = read_from("sum of CustomerOrderPromotion.Amount that belongs to no line")
    subtotal: Number | None = read_from("sum of OrderLine.TotalNetPrice, else OrderLine.UnitNetPrice times OrderLine.QtyOrdered")
    tax: Number | None = read_from("CustomerOrder.TaxAmount, else CustomerOrder.StateTax and CustomerOrder.LocalTax")
    shipping: Number | None = read_from("CustomerOrder.ShippingCharges and CustomerOrder.HandlingCharges")
    coupon_code: Text | None = read_from("no column of the replica; for a tenant that has one")
    first_name: Text | None = read_from("CustomerOrder.BTFirstName")
    last_name: Text | None = read_from("CustomerOrder.BTLastName")
    email: Text | None = read_from("CustomerOrder.BTEmail")
    phone: Text | None = read_from("CustomerOrder.BTPhone")
    bill_address: Text | None = read_from(
        "CustomerOrder.BTAddress1, CustomerOrder.BTAddress2, CustomerOrder.BTAddress3, CustomerOrder.BTAddress4, "
        "CustomerOrder.BTCity, CustomerOrder.BTState, CustomerOrder.BTPostalCode, CustomerOrder.BTCountry"
    )
    ship_address: Text | None = read_from(
        "CustomerOrder.STAddress1, CustomerOrder.STAddress2, CustomerOrder.STAddress3, CustomerOrder.STAddress4, "
        "CustomerOrder.STCity, CustomerOrder.STState, CustomerOrder.STPostalCode, CustomerOrder.STCountry"
    )
    commerce_status: Text | None = read_from("CustomerOrder.Status")
    erp_order_number: Text | None = read_from("CustomerOrder.ErpOrderNumber")
    customer_po: Text | None = read_from("CustomerOrder.CustomerPO")
    fulfillment_method: Text | None = read_from("CustomerOrder.FulfillmentMethod")
    order_source: Text | None = read_from("CustomerOrder.OrderSource")
    order_device_type: Text | None = read_from("CustomerOrder.OrderDeviceType")
    is_guest_order: Boolean | None = read_from("CustomerOrder.IsGuestOrder")
    currency: Text | None = read_from("Currency.CurrencyCode")
    conversion_rate: Number | None = read_from("CustomerOrder.ConversionRate")
    business_id: Identifier | None = read_from("CustomerOrder.CustomerId")
    ship_to_business_id: Identifier | None = read_from("CustomerOrder.ShipToId")
    warehouse_id: Identifier | None = read_from("CustomerOrder.DefaultWarehouseId")
    website: Text | None = read_from("Website.Name")
    items: tuple[OrderItem, ...] = ()
