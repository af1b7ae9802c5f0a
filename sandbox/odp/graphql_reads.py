"""GraphQL, as far as an import is verified with it: one field per object that returns the row with a key."""

from __future__ import annotations

from typing import Any, Protocol

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLFloat,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    graphql_sync,
)

from sandbox.odp.schema import ROWLESS_OBJECTS, Schema

_UNKNOWN_IDENTIFIER = {"classification": "InvalidIdentifierException", "code": "INVALID_IDENTIFIER_EXCEPTION"}
_BAD_QUERY = {"classification": "ValidationError"}

#: Timestamps come back the way they were sent: epoch seconds or text.
_TIMESTAMP = GraphQLScalarType("Timestamp", description="Epoch seconds or ISO 8601 text, as received.")

_TYPES: dict[str, GraphQLScalarType] = {
    "string": GraphQLString,
    "identifier": GraphQLString,
    "number": GraphQLFloat,
    "boolean": GraphQLBoolean,
    "timestamp": _TIMESTAMP,
}


class Reader(Protocol):
    """What resolvers read from: documents as readers of the API see them."""

    def visible_row(self, name: str, values: dict[str, Any]) -> dict[str, Any] | None:
        """
        Return a row by its key.

        :param name: name of the object.
        :param values: value of each key field.
        """

    def visible_profile(self, name: str, value: str) -> dict[str, Any] | None:
        """
        Return a customer's attributes.

        :param name: name of the identifier.
        :param value: its value.
        """


class GraphQLReads:
    """
    Answers queries; the GraphQL schema follows the account's schema.

    :param schema: the account's schema.
    :param reader: where the documents are.
    """

    def __init__(self, schema: Schema, reader: Reader) -> None:
        self._schema = schema
        self._reader = reader
        self._built: GraphQLSchema | None = None
        self._built_version = -1

    def execute(self, query: str, variables: dict[str, Any] | None, operation: str | None) -> dict[str, Any]:
        """
        Return the response body of a query; it holds the errors too, as the status is always 200.

        :param query: GraphQL document.
        :param variables: its variables.
        :param operation: name of the operation to run.
        """
        result = graphql_sync(self._current(), query, variable_values=variables, operation_name=operation)
        body: dict[str, Any] = dict(result.formatted)
        for error in body.get("errors", ()):
            error.setdefault("extensions", _BAD_QUERY)
        return body

    def _current(self) -> GraphQLSchema:
        if self._built is None or self._built_version != self._schema.version:
            self._built_version = self._schema.version
            self._built = self._build()
        return self._built

    def _build(self) -> GraphQLSchema:
        fields = {"customer": self._customer()}
        taken = {"Query", "String", "Int", "Float", "Boolean", "ID", "Timestamp", "Customer"}
        for name, definition in self._schema.objects.items():
            if name not in ROWLESS_OBJECTS:
                fields[definition["alias"]] = self._object(name, definition, taken)
        return GraphQLSchema(GraphQLObjectType("Query", fields))

    def _object(self, name: str, definition: dict[str, Any], taken: set[str]) -> GraphQLField:
        type_name = "".join(word.title() for word in definition["alias"].split("_"))
        while type_name in taken:
            type_name += "Row"
        taken.add(type_name)
        keys = [field for field in definition["fields"] if field.get("primary")]
        arguments = {key["name"]: GraphQLArgument(GraphQLNonNull(_TYPES[key["type"]])) for key in keys}
        row = GraphQLObjectType(type_name, {field["name"]: GraphQLField(_TYPES[field["type"]]) for field in definition["fields"]})

        def resolve(_root: object, _info: GraphQLResolveInfo, **values: Any) -> dict[str, Any] | None:
            return self._reader.visible_row(name, values)

        return GraphQLField(row, arguments, resolve=resolve)

    def _customer(self) -> GraphQLField:
        fields = {field["name"]: GraphQLField(_TYPES[field["type"]]) for field in self._schema.objects["customers"]["fields"]}
        identifiers = list(self._schema.identifiers)
        for name in identifiers:
            # Each identifier has a list of all its values beside the one seen last.
            fields.setdefault(f"{name}s", GraphQLField(GraphQLList(GraphQLNonNull(GraphQLString))))
        arguments = {name: GraphQLArgument(GraphQLString) for name in identifiers}

        def resolve(_root: object, _info: GraphQLResolveInfo, **values: str | None) -> dict[str, Any]:
            given = {name: value for name, value in values.items() if value}
            if len(given) != 1:
                raise GraphQLError("customer takes exactly one identifier", extensions=_UNKNOWN_IDENTIFIER)
            ((name, value),) = given.items()
            profile = self._reader.visible_profile(name, value)
            if profile is None:
                raise GraphQLError(
                    f"Exception while fetching data (/customer) : could not resolve {name} = {value}",
                    extensions=_UNKNOWN_IDENTIFIER,
                )
            return profile

        return GraphQLField(GraphQLObjectType("Customer", fields), arguments, resolve=resolve)
