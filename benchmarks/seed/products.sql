-- Products %(first)s to %(past)s - 1, each with one or two images and categories.

INSERT INTO Product (
    Id, ErpNumber, Name, ShortDescription, Sku, UpcCode, Unspsc, ManufacturerItem, ModelNumber, ProductCode, PriceCode,
    UrlSegment, UnitOfMeasure, BasicListPrice, BasicSalePrice, BasicSaleStartDate, ActivateOn, DeactivateOn, IsDiscontinued,
    TrackInventory, IsStocked, BrandId, ProductLineId, VendorId, StyleParentId, CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    md5('Product' || n)::uuid,
    erp_number,
    erp_number || ' ' || title,
    CASE WHEN n %% 13 = 5 THEN '' ELSE title END,
    CASE WHEN n %% 6 = 1 THEN '' WHEN n %% 6 = 2 THEN lpad(n::text, 7, '0') ELSE 'SKU-' || erp_number END,
    CASE WHEN n %% 4 = 3 THEN '' ELSE lpad((4006381000000 + n * 17)::text, 14, '0') END,
    CASE WHEN n %% 3 = 0 THEN '' ELSE (31160000 + n %% 9999)::text END,
    CASE WHEN n %% 5 = 4 THEN '' ELSE 'MI/' || n END,
    CASE WHEN n %% 7 = 3 THEN '' ELSE 'Mod ' || n %% 900 END,
    (ARRAY['', 'A', 'C&D', 'Ö1'])[1 + n %% 4],
    (ARRAY['', 'P1', '007'])[1 + n %% 3],
    'product-' || n,
    (ARRAY['EA', 'PK', 'FT', ''])[1 + n %% 4],
    round((99 + n %% 99000) / 100.0, 2),
    CASE WHEN n %% 4 = 1 THEN round((99 + n %% 99000) * 0.8 / 100.0, 2) ELSE 0 END,
    CASE WHEN n %% 4 = 1 THEN modified_on - interval '5 days' END,
    modified_on - interval '100 days',
    CASE WHEN n %% 19 = 3 THEN modified_on - interval '40 days' END,
    n %% 23 = 4,
    n %% 3 > 0,
    n %% 11 <> 1,
    brands[1 + n %% cardinality(brands)],
    product_lines[1 + n %% cardinality(product_lines)],
    vendors[1 + n %% cardinality(vendors)],
    CASE WHEN n %% 10 BETWEEN 1 AND 3 THEN md5('Product' || n / 10 * 10)::uuid END,
    modified_on - interval '1 day' * (100 + n %% 1500), 'erp',
    modified_on, 'erp'
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
CROSS JOIN LATERAL (
    SELECT
        (ARRAY['Stainless', 'Zinc', 'Messing', 'Nylon'])[1 + n %% 4] || ' '
            || (ARRAY['hex bolt', 'Schließmutter', 'washer', 'tee 1/2"', 'LED 💡'])[1 + n %% 5] || ' M' || n %% 40 AS title,
        (ARRAY['HX', 'BR-', 'T/', 'Ü-'])[1 + n %% 4] || (10000 + n) AS erp_number,
        %(now)s::timestamptz - interval '2592000 seconds' * (1 - n::double precision / %(rows)s) AS modified_on
) AS product
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS brands FROM Brand) AS b
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS product_lines FROM ProductLine) AS l
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS vendors FROM Vendor) AS v;

INSERT INTO ProductImage (Id, ProductId, SortOrder, Name, ImageType, MediumImagePath, LargeImagePath, CreatedOn, ModifiedOn)
SELECT
    md5('ProductImage' || n || '/' || i)::uuid, md5('Product' || n)::uuid, 10 * i, 'Picture ' || i, 'Static',
    CASE WHEN n %% 7 = 3 THEN '' ELSE '/userfiles/images/mid_' || n || '_' || i || '.jpg' END,
    '/userfiles/images/large_' || n || '_' || i || '.jpg',
    %(now)s::timestamptz - interval '40 days', %(now)s::timestamptz - interval '35 days'
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
CROSS JOIN LATERAL generate_series(1, 1 + n %% 2) AS i;

INSERT INTO CategoryProduct (Id, CategoryId, ProductId, IsPrimaryCategory, CreatedOn, ModifiedOn)
SELECT
    md5('CategoryProduct' || n || '/' || i)::uuid, categories[1 + (n + 5 * i) %% cardinality(categories)],
    md5('Product' || n)::uuid, i = 1, %(now)s::timestamptz - interval '40 days', %(now)s::timestamptz - interval '35 days'
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
CROSS JOIN LATERAL generate_series(1, 1 + n %% 2) AS i
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS categories FROM Category) AS c;
