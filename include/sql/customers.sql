-- One row per Commerce customer, which is an account: a bill-to or one of its ship-tos. Key: business_id.
-- Source: Customer, with its parent (ParentId), Country, State and Currency.
-- Defects worked around: ParentId may point at the row itself, in a circle or at a row that is gone. business_level
-- looks two links up and no further, so circles end and what lies deeper counts as grandchild.
-- Guest accounts are skipped; drop skip_reason to send them.
-- To change the export, edit the select list: a column's alias is the ODP field's name, and an alias that the standard
-- mapping lacks becomes a custom field of the column's type. A customer is also modified when its custom properties
-- are.

WITH selected AS (
    SELECT c.Id
    FROM Customer c
    WHERE (
            %(everything)s
            OR (c.ModifiedOn >= %(window_start)s::timestamptz AND c.ModifiedOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR c.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND c.CustomerNumber = ANY(%(numbers)s::text[]))
        )
    UNION
    SELECT c.Id
    FROM Customer c
    WHERE c.Id IN (
            SELECT cp.ParentId FROM CustomProperty cp
            WHERE cp.ParentTable = 'Customer'
                AND cp.ModifiedOn >= %(window_start)s::timestamptz AND cp.ModifiedOn < %(window_end)s::timestamptz
        )
        AND NOT %(everything)s
        AND (
            %(all_ids)s
            OR c.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND c.CustomerNumber = ANY(%(numbers)s::text[]))
        )
)

SELECT
    c.Id AS entity_id,
    c.Id AS business_id,
    nullif(c.ParentId, c.Id) AS parent_business_id,
    CASE
        WHEN c.ParentId IS NULL OR c.ParentId = c.Id THEN 'parent'
        WHEN parent.ParentId IS NULL OR parent.ParentId IN (parent.Id, c.Id) THEN 'child'
        ELSE 'grandchild'
    END AS business_level,
    coalesce(
        nullif(btrim(c.CompanyName), ''),
        nullif(concat_ws(' ', nullif(btrim(c.FirstName), ''), nullif(btrim(c.LastName), '')), ''),
        c.CustomerNumber
    ) AS name,
    c.CustomerNumber AS customer_number,
    c.CustomerSequence AS customer_sequence,
    c.ErpNumber AS erp_number,
    c.ErpSequence AS erp_sequence,
    c.IsBillTo AS is_bill_to,
    c.IsShipTo AS is_ship_to,
    c.IsSoldTo AS is_sold_to,
    c.IsGuest AS is_guest,
    c.IsActive AS is_active,
    c.Email AS email,
    c.Phone AS phone,
    c.Fax AS fax,
    c.Attention AS attention,
    c.Address1 AS street1,
    c.Address2 AS street2,
    c.City AS city,
    state.Abbreviation AS state,
    c.PostalCode AS zip,
    country.IsoCode2 AS country,
    c.CustomerType AS customer_type,
    c.PriceCode AS price_code,
    c.TermsCode AS terms_code,
    c.Territory AS territory,
    coalesce(nullif(btrim(currency.CurrencyCode), ''), c.CurrencyCode) AS currency,
    c.DefaultWarehouseId AS default_warehouse_id,
    c.CreditHold AS credit_hold,
    c.CreatedOn AS created_at,
    CASE WHEN c.IsGuest THEN 'guest account' END AS skip_reason
FROM selected s
JOIN Customer c ON c.Id = s.Id
LEFT JOIN Customer parent ON parent.Id = c.ParentId
LEFT JOIN Country country ON country.Id = c.CountryId
LEFT JOIN State state ON state.Id = c.StateId
LEFT JOIN Currency currency ON currency.Id = c.CurrencyId
ORDER BY c.ModifiedOn NULLS FIRST, c.Id
