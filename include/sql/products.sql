-- One row per product, inactive and discontinued ones included: past events refer to them. Key: product_id.
-- Source: Product, with Brand, ProductLine, Vendor, Category (by CategoryProduct), ProductImage and Website.
-- Defects worked around: several primary categories or none (then the lowest SortOrder), categories whose parents form
-- a circle or are gone, images without a path, paths relative to the site, '' where there is no value.
-- To change the export, edit the select list: a column's alias is the ODP field's name, and an alias that the standard
-- mapping lacks becomes a custom field of the column's type. To make ErpNumber the key, select it as product_id here
-- and in orders.sql. A product is also modified when its images, categories or custom properties are.

WITH RECURSIVE candidate AS NOT MATERIALIZED (
    SELECT p.Id
    FROM Product p
    WHERE (
            %(everything)s
            OR (p.ModifiedOn >= %(window_start)s::timestamptz AND p.ModifiedOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR p.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND p.ErpNumber = ANY(%(numbers)s::text[]))
        )
    UNION
    SELECT p.Id
    FROM Product p
    WHERE p.Id IN (
            SELECT pi.ProductId FROM ProductImage pi
            WHERE pi.ModifiedOn >= %(window_start)s::timestamptz AND pi.ModifiedOn < %(window_end)s::timestamptz
            UNION
            SELECT pc.ProductId FROM CategoryProduct pc
            WHERE pc.ModifiedOn >= %(window_start)s::timestamptz AND pc.ModifiedOn < %(window_end)s::timestamptz
            UNION
            SELECT cp.ParentId FROM CustomProperty cp
            WHERE cp.ParentTable = 'Product'
                AND cp.ModifiedOn >= %(window_start)s::timestamptz AND cp.ModifiedOn < %(window_end)s::timestamptz
        )
        AND NOT %(everything)s
        AND (
            %(all_ids)s
            OR p.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND p.ErpNumber = ANY(%(numbers)s::text[]))
        )
),

-- Those in a category of the setting websites; all of them without it.
selected AS (
    SELECT candidate.Id
    FROM candidate
    WHERE %(all_websites)s
    UNION ALL
    SELECT candidate.Id
    FROM candidate
    WHERE NOT %(all_websites)s
        AND EXISTS (
            SELECT 1
            FROM CategoryProduct pc
            JOIN Category c ON c.Id = pc.CategoryId
            WHERE pc.ProductId = candidate.Id AND c.WebsiteId = ANY(%(website_ids)s::uuid[])
        )
),

-- The address of the site: the setting, else the first domain of the oldest active website that is sent. Ends without a slash.
site AS MATERIALIZED (
    SELECT CASE WHEN given.address ~* '^https?://' THEN given.address ELSE 'https://' || given.address END AS address
    FROM (
        SELECT coalesce(
            nullif(rtrim(btrim(%(site_url)s), '/'), ''),
            (
                SELECT domain.name
                FROM Website w
                CROSS JOIN LATERAL (
                    SELECT
                        rtrim(regexp_replace(btrim(part.name), '^(https?:)?//', '', 'i'), '/') AS name,
                        part.position
                    FROM unnest(string_to_array(w.DomainName, ',')) WITH ORDINALITY AS part (name, position)
                ) AS domain
                WHERE w.IsActive IS NOT FALSE AND domain.name <> ''
                    AND (%(all_websites)s OR w.Id = ANY(%(website_ids)s::uuid[]))
                ORDER BY w.CreatedOn, w.Id, domain.position
                LIMIT 1
            )
        ) AS address
    ) AS given
),

-- The category a product is filed under, on the websites that are sent.
main_category AS (
    SELECT DISTINCT ON (pc.ProductId) pc.ProductId, pc.CategoryId
    FROM selected s
    JOIN CategoryProduct pc ON pc.ProductId = s.Id
    JOIN Category c ON c.Id = pc.CategoryId
    WHERE %(all_websites)s OR c.WebsiteId = ANY(%(website_ids)s::uuid[])
    ORDER BY pc.ProductId, (pc.IsPrimaryCategory IS TRUE) DESC, c.SortOrder, pc.Id
),

-- Every category that is needed, one row more for each step towards its root; at most ten.
ancestry AS (
    SELECT
        c.Id AS category_id,
        c.ParentId AS parent_id,
        nullif(btrim(c.Name), '')::text AS path,
        ARRAY[c.Id] AS seen
    FROM Category c
    WHERE c.Id IN (SELECT mc.CategoryId FROM main_category mc)
    UNION ALL
    SELECT
        a.category_id,
        c.ParentId,
        concat_ws(' > ', nullif(btrim(c.Name), ''), a.path),
        a.seen || c.Id
    FROM ancestry a
    JOIN Category c ON c.Id = a.parent_id
    WHERE NOT c.Id = ANY(a.seen) AND cardinality(a.seen) < 10
),

category_path AS (
    SELECT DISTINCT ON (a.category_id) a.category_id, a.path
    FROM ancestry a
    ORDER BY a.category_id, cardinality(a.seen) DESC
),

-- The first image that has a path at all.
main_image AS (
    SELECT DISTINCT ON (image.product_id) image.product_id, image.path
    FROM (
        SELECT
            pi.ProductId AS product_id,
            pi.SortOrder AS position,
            pi.Id AS id,
            coalesce(
                nullif(btrim(pi.MediumImagePath), ''),
                nullif(btrim(pi.LargeImagePath), ''),
                nullif(btrim(pi.SmallImagePath), '')
            ) AS path
        FROM selected s
        JOIN ProductImage pi ON pi.ProductId = s.Id
    ) AS image
    WHERE image.path IS NOT NULL
    ORDER BY image.product_id, image.position, image.id
)

SELECT
    p.Id AS entity_id,
    p.Id AS product_id,
    p.StyleParentId AS parent_product_id,
    p.ErpNumber AS product_number,
    coalesce(nullif(btrim(p.ShortDescription), ''), p.Name) AS name,
    brand.Name AS brand,
    coalesce(nullif(btrim(p.Sku), ''), p.ErpNumber) AS sku,
    p.UpcCode AS upc,
    category_path.path AS category,
    p.BasicListPrice AS price,
    CASE
        WHEN p.BasicSalePrice > 0
            AND (p.BasicSaleStartDate IS NULL OR p.BasicSaleStartDate <= %(as_of)s::timestamptz)
            AND (p.BasicSaleEndDate IS NULL OR p.BasicSaleEndDate > %(as_of)s::timestamptz)
            THEN p.BasicSalePrice
    END AS sale_price,
    CASE
        WHEN main_image.path ~* '^https?://' THEN main_image.path
        WHEN main_image.path ~ '^//' THEN 'https:' || main_image.path
        ELSE site.address || '/' || ltrim(main_image.path, '~/')
    END AS image_url,
    CASE
        WHEN p.UrlSegment ~* '^\s*https?://' THEN p.UrlSegment
        ELSE site.address || '/' || nullif(ltrim(btrim(p.UrlSegment), '/'), '')
    END AS product_url,
    p.ManufacturerItem AS manufacturer_item,
    p.ModelNumber AS model_number,
    p.Unspsc AS unspsc,
    p.ProductCode AS product_code,
    p.PriceCode AS price_code,
    p.UnitOfMeasure AS unit_of_measure,
    product_line.Name AS product_line,
    vendor.Name AS vendor,
    p.IsDiscontinued AS is_discontinued,
    p.TrackInventory AS track_inventory,
    p.IsStocked AS is_stocked,
    (
        (p.ActivateOn IS NULL OR p.ActivateOn <= %(as_of)s::timestamptz)
        AND (p.DeactivateOn IS NULL OR p.DeactivateOn > %(as_of)s::timestamptz)
        AND p.IsDiscontinued IS NOT TRUE
    ) AS is_active
    -- Stock changes far more often than products do, so it is left out. To send it, remove the dashes of the next line
    -- and of the join below.
    -- , stock.quantity AS quantity_available
FROM selected s
JOIN Product p ON p.Id = s.Id
CROSS JOIN site
LEFT JOIN Brand brand ON brand.Id = p.BrandId
LEFT JOIN ProductLine product_line ON product_line.Id = p.ProductLineId
LEFT JOIN Vendor vendor ON vendor.Id = p.VendorId
LEFT JOIN main_category ON main_category.ProductId = p.Id
LEFT JOIN category_path ON category_path.category_id = main_category.CategoryId
LEFT JOIN main_image ON main_image.product_id = p.Id
-- LEFT JOIN (
--     SELECT pw.ProductId, sum(pw.ErpQtyAvailable - coalesce(pw.SafetyStock, 0)) AS quantity
--     FROM ProductWarehouse pw
--     GROUP BY pw.ProductId
-- ) AS stock ON stock.ProductId = p.Id
ORDER BY p.ModifiedOn NULLS FIRST, p.Id
