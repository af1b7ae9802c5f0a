"""Every awkward truth that the generator promises is in the replica, and none of them is all there is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.sandbox.commerce.generated_replica import Replica

# Table -> what must be found in it, as a condition.
TRUTHS: Mapping[str, Mapping[str, str]] = {
    "Product": {
        "not given": "ShortDescription = ''",
        "title longer than ODP holds": "length(ShortDescription) > 1024",
        "blanks around": "ShortDescription <> btrim(ShortDescription)",
        "tab, quotes, backslash": r"""ShortDescription LIKE E'%\t%"%\\\\%''%'""",
        "line break": r"ShortDescription LIKE E'%\n%'",
        "emoji": "ShortDescription ~ '🔧'",
        "no-break and zero-width space": r"ShortDescription ~ '^\u00A0.*\u200B$'",
        "null brand": "BrandId IS NULL",
        "null flag": "IsDiscontinued IS NULL",
        "null price": "BasicSalePrice IS NULL",
        "price zero": "BasicListPrice = 0",
        "fractions of a cent": "BasicListPrice <> round(BasicListPrice, 2)",
        "discontinued": "IsDiscontinued",
        "deactivated": "DeactivateOn < :now",
        "to be deactivated": "DeactivateOn > :now",
        "not yet active": "ActivateOn > :now",
        "style child": "StyleParentId IN (SELECT Id FROM Product)",
        "sale runs": "BasicSalePrice > 0 AND BasicSaleStartDate < :now AND BasicSaleEndDate > :now",
        "sale is over": "BasicSaleEndDate < :now",
        "sale to come": "BasicSaleStartDate > :now",
        "sale without end": "BasicSaleStartDate < :now AND BasicSaleEndDate IS NULL",
        "leading zeros": "ErpNumber ~ '^0\\d+$'",
        "looks like a float": "ErpNumber ~ '^\\d+E4$'",
        "no category": "Id NOT IN (SELECT ProductId FROM CategoryProduct)",
        "no image": "Id NOT IN (SELECT ProductId FROM ProductImage)",
        "several images": "Id IN (SELECT ProductId FROM ProductImage GROUP BY 1 HAVING count(*) > 1)",
        "image changed later": "ModifiedOn < ANY (SELECT i.ModifiedOn FROM ProductImage i WHERE i.ProductId = Product.Id)",
        "category changed later":
            "ModifiedOn < ANY (SELECT i.ModifiedOn FROM CategoryProduct i WHERE i.ProductId = Product.Id)",
        "no primary category":
            "Id IN (SELECT ProductId FROM CategoryProduct GROUP BY 1 HAVING NOT bool_or(IsPrimaryCategory))",
    },
    "ProductImage": {
        "relative path": "MediumImagePath LIKE '/userfiles/%'",
        "absolute path": "MediumImagePath LIKE 'https://%'",
        "without protocol": "LargeImagePath LIKE '//%'",
        "not given": "MediumImagePath = ''",
        "null": "MediumImagePath IS NULL",
    },
    "Category": {
        "root": "ParentId IS NULL",
        "third level": "ParentId IN (SELECT Id FROM Category WHERE ParentId IN (SELECT Id FROM Category))",
        "its own parent": "ParentId = Id",
        "circle": "Id <> ParentId AND Id IN (SELECT p.ParentId FROM Category p WHERE p.Id = Category.ParentId)",
        "deactivated": "DeactivateOn < :now",
    },
    "Warehouse": {
        "no position": "Latitude = 0 AND Longitude = 0",
        "on the meridian": "Latitude <> 0 AND Longitude = 0",
        "null position": "Latitude IS NULL",
        "deactivated": "DeactivateOn < :now",
        "long text": "length(Description) > 1024",
    },
    "Customer": {
        "guest": "IsGuest",
        "bill-to": "IsBillTo AND ParentId IS NULL",
        "bill-to and ship-to": "IsBillTo AND IsShipTo AND NOT IsGuest",
        "ship-to": "IsShipTo AND NOT IsBillTo AND ParentId IS NOT NULL",
        "third level":
            "ParentId IN (SELECT c.Id FROM Customer c JOIN Customer d ON d.Id = c.ParentId AND d.ParentId IS NULL)",
        "circle": "ParentId IN (SELECT c.Id FROM Customer c WHERE c.ParentId = Customer.Id)",
        "number only": "CompanyName || FirstName || LastName = ''",
        "person only": "CompanyName = '' AND FirstName <> ''",
        "not given": "Email = ''",
        "null country": "CountryId IS NULL",
        "null currency": "CurrencyId IS NULL AND CurrencyCode <> ''",
        "leading zeros": "CustomerNumber ~ '^0\\d+$'",
        "inactive": "NOT IsActive",
    },
    "UserProfile": {
        "guest": "IsGuest",
        "no e-mail": "Email = ''",
        "blank e-mail": "Email <> '' AND btrim(Email) = ''",
        "blanks around e-mail": "Email <> btrim(Email) AND btrim(Email) <> ''",
        "capitals in e-mail": "Email <> lower(Email)",
        "deactivated": "IsDeactivated",
        "never logged in": "LastLoginOn IS NULL",
        "called Null": "LastName = 'Null'",
        "other scripts": "FirstName ~ '[\u0400-\u04ff\u4e00-\u9fff\u0600-\u06ff]'",
        "changed at midnight": "ModifiedOn = date_trunc('day', ModifiedOn, 'UTC')",
    },
    "CustomerUserProfile": {
        "customer is gone": "CustomerId NOT IN (SELECT Id FROM Customer)",
        "profile is gone": "UserProfileId NOT IN (SELECT Id FROM UserProfile)",
        "default": "IsDefault",
        "null default": "IsDefault IS NULL",
    },
    "CustomerOrder": {
        "guest with an address only":
            "IsGuestOrder AND BtEmail <> '' AND PlacedByUserProfileId IS NULL AND InitiatedByUserProfileId IS NULL",
        "guest known by ship-to address": "IsGuestOrder AND BtEmail = '' AND StEmail <> ''",
        "nobody named": "NOT IsGuestOrder AND BtEmail || StEmail = '' AND InitiatedByUserProfileId IS NULL",
        "initiator only": "PlacedByUserProfileId IS NULL AND InitiatedByUserProfileId IS NOT NULL",
        "no lines": "OrderNumber <> '' AND Id NOT IN (SELECT CustomerOrderId FROM OrderLine)",
        "tax split by state and place": "TaxAmount = 0 AND StateTax > 0 AND LocalTax > 0",
        "null handling": "HandlingCharges IS NULL",
        "null currency": "CurrencyId IS NULL",
        "converted": "ConversionRate > 1",
        "cart without date": "OrderDate IS NULL AND OrderNumber = ''",
        "looks like COPY's null": r"CustomerPO = '\N'",
        "looks like COPY's end": r"Notes LIKE E'%\n\\\\.\n%'",
        "line changed later":
            "ModifiedOn < ANY (SELECT l.ModifiedOn FROM OrderLine l WHERE l.CustomerOrderId = CustomerOrder.Id)",
    },
    "OrderLine": {
        "nothing ordered": "QtyOrdered = 0",
        "part of a unit": "QtyOrdered <> trunc(QtyOrdered)",
        "free of charge": "IsPromotionItem AND UnitRegularPrice = 0 AND TotalNetPrice = 0",
        "not calculated": "TotalNetPrice = 0 AND UnitNetPrice > 0 AND QtyOrdered > 0",
        "discounted": "TotalNetPrice < TotalRegularPrice",
        "null": "QtyShipped IS NULL",
    },
    "CustomerOrderPromotion": {
        "whole order": "OrderLineId IS NULL",
        "one line": "OrderLineId IN (SELECT Id FROM OrderLine)",
        "changed later":
            "ModifiedOn > (SELECT o.ModifiedOn FROM CustomerOrder o WHERE o.Id = CustomerOrderPromotion.CustomerOrderId)",
    },
    "OrderStatusMapping": {
        "purchase": "ErpOrderStatus IN ('Processing', 'Complete') AND OdpActionType = 'Purchase'",
        "cancel": "ErpOrderStatus = 'Cancelled' AND OdpActionType = 'Cancel'",
        "null action": "OdpActionType IS NULL",
        "no action": "OdpActionType = ''",
    },
    "CustomProperty": {
        "product": "ParentTable = 'Product' AND ParentId IN (SELECT Id FROM Product)",
        "customer": "ParentTable = 'Customer' AND ParentId IN (SELECT Id FROM Customer)",
        "profile": "ParentTable = 'UserProfile' AND ParentId IN (SELECT Id FROM UserProfile)",
        "order": "ParentTable = 'CustomerOrder' AND ParentId IN (SELECT Id FROM CustomerOrder)",
        "not given": "Value = ''",
        "changed later": "ModifiedOn > ANY (SELECT c.ModifiedOn FROM Customer c WHERE c.Id = CustomProperty.ParentId)",
    },
    "OrderHistory": {"web order": "WebOrderNumber <> ''", "ERP only": "WebOrderNumber = ''"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "name", "condition"),
    [(table, name, condition) for table, truths in TRUTHS.items() for name, condition in truths.items()],
)
def test_holds_the_awkward_truth(replica: Replica, table: str, name: str, condition: str) -> None:
    found = replica.value(f"SELECT count(*) FROM {table} WHERE {condition}")
    assert 0 < found < max(replica.counts[table], 2), name
