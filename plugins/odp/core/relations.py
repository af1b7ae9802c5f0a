"""Which fields hold the key of another object's row: with a relation, ODP's segments and GraphQL can follow them."""

from __future__ import annotations

from dataclasses import dataclass

from odp.core.records import Business, BusinessUser, Order, Profile, Record, Warehouse


@dataclass(frozen=True)
class Relation:
    """
    A relation, which ODP keeps with the object that holds the foreign key.

    :param parent: contract of the object that holds the foreign key.
    :param field: the field that is the foreign key.
    :param child: contract of the object whose key it holds.
    """

    parent: type[Record]
    field: str
    child: type[Record]

    @property
    def name(self) -> str:
        """Name of the relation."""
        return self.field.removesuffix("_id")


# Without products: ODP relates an item's product_id, and a product's parent_product_id, from the start.
RELATIONS = (
    Relation(Business, "parent_business_id", Business),
    Relation(Business, "default_warehouse_id", Warehouse),
    Relation(Profile, "default_business_id", Business),
    Relation(Profile, "default_warehouse_id", Warehouse),
    Relation(BusinessUser, "business_id", Business),
    Relation(Order, "business_id", Business),
    Relation(Order, "ship_to_business_id", Business),
    Relation(Order, "warehouse_id", Warehouse),
)


def relations_of(contract: type[Record]) -> tuple[Relation, ...]:
    """
    List the relations of a contract's object.

    :param contract: the contract, with or without the columns added in SQL.
    """
    return tuple(relation for relation in RELATIONS if issubclass(contract, relation.parent))
