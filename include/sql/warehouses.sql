-- One row per warehouse. Key: warehouse_id.
-- Source: Warehouse, with Country for the ISO code. State is free text here, not a reference.
-- Defects worked around: latitude and longitude are both 0 where no position was entered, and are then left out.
-- To change the export, edit the select list: a column's alias is the ODP field's name, and an alias that the standard
-- mapping lacks becomes a custom field of the column's type. A warehouse is also modified when its custom properties
-- are.

WITH selected AS (
    SELECT w.Id
    FROM Warehouse w
    WHERE (
            %(everything)s
            OR (w.ModifiedOn >= %(window_start)s::timestamptz AND w.ModifiedOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR w.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND w.Name = ANY(%(numbers)s::text[]))
        )
    UNION
    SELECT w.Id
    FROM Warehouse w
    WHERE w.Id IN (
            SELECT cp.ParentId FROM CustomProperty cp
            WHERE cp.ParentTable = 'Warehouse'
                AND cp.ModifiedOn >= %(window_start)s::timestamptz AND cp.ModifiedOn < %(window_end)s::timestamptz
        )
        AND NOT %(everything)s
        AND (
            %(all_ids)s
            OR w.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND w.Name = ANY(%(numbers)s::text[]))
        )
)

SELECT
    w.Id AS entity_id,
    w.Id AS warehouse_id,
    w.Name AS name,
    w.Description AS description,
    w.ContactName AS contact_name,
    w.ShipSite AS ship_site,
    w.Address1 AS street1,
    w.Address2 AS street2,
    w.City AS city,
    w.State AS state,
    w.PostalCode AS zip,
    country.IsoCode2 AS country,
    w.Phone AS phone,
    w.Hours AS hours,
    CASE WHEN w.Latitude = 0 AND w.Longitude = 0 THEN NULL ELSE w.Latitude END AS latitude,
    CASE WHEN w.Latitude = 0 AND w.Longitude = 0 THEN NULL ELSE w.Longitude END AS longitude,
    w.IsDefault AS is_default,
    w.AllowPickup AS allow_pickup,
    (w.DeactivateOn IS NULL OR w.DeactivateOn > %(as_of)s::timestamptz) AS is_active
FROM selected s
JOIN Warehouse w ON w.Id = s.Id
LEFT JOIN Country country ON country.Id = w.CountryId
ORDER BY w.ModifiedOn NULLS FIRST, w.Id
