-- Products %(first)s to %(past)s - 1 with their images, categories, stock and custom properties.

CREATE TEMPORARY TABLE draft_product ON COMMIT DROP AS
SELECT n, uid('Product', n::text) AS id, changed_at(n, 100) AS modified_on
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n;

INSERT INTO Product (
    Id, ErpNumber, Name, ShortDescription, ErpDescription, Sku, UpcCode, Unspsc, ManufacturerItem, ModelNumber, ProductCode,
    PriceCode, UrlSegment, UnitOfMeasure, BasicListPrice, BasicSalePrice, BasicSaleStartDate, BasicSaleEndDate, UnitCost,
    ActivateOn, DeactivateOn, IsDiscontinued, TrackInventory, IsStocked, BrandId, ProductLineId, VendorId, StyleParentId,
    ReplacementProductId, ShippingWeight, SortOrder, TaxCode1, MetaDescription,
    CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    d.id,
    erp_number,
    erp_number || ' ' || title,
    CASE
        WHEN mod(n, 13) = 5 THEN ''
        -- Longer than any text ODP holds.
        WHEN mod(n, 61) = 9 THEN title || repeat(' – suits workshop, site and shop floor', 28)
        ELSE as_typed(title, n)
    END,
    upper(title),
    -- Numbers that are not numbers: leading zeros, exponents.
    CASE WHEN mod(n, 6) = 1 THEN '' WHEN mod(n, 6) = 2 THEN lpad(n::text, 7, '0') ELSE 'SKU-' || erp_number END,
    CASE WHEN mod(n, 4) = 3 THEN '' ELSE lpad((4006381000000 + n * 17)::text, 14, '0') END,
    CASE WHEN mod(n, 3) = 0 THEN '' ELSE (31160000 + draw(n, 101, 9999))::text END,
    CASE WHEN mod(n, 5) = 4 THEN '' ELSE 'MI/' || draw(n, 102, 99999) || '-' || n END,
    CASE WHEN mod(n, 7) = 3 THEN '' ELSE 'Mod ' || draw(n, 103, 900) END,
    pick(ARRAY['', 'A', 'B', 'C&D', 'Ö1'], n, 104),
    pick(ARRAY['', 'P1', 'P2', '007'], n, 105),
    CASE WHEN mod(n, 17) = 2 THEN '' ELSE 'product-' || n END,
    unit,
    list_price,
    CASE WHEN is_on_sale THEN round(list_price * 0.8, 2) WHEN mod(n, 79) = 15 THEN NULL ELSE 0 END,
    -- Of five sales one is over, one is yet to come, two run, and one runs without an end.
    CASE WHEN is_on_sale THEN this_moment() + interval '1 day' * (ARRAY[-20, 10, -10, -5, -20])[1 + mod(n, 5)] END,
    CASE WHEN is_on_sale THEN this_moment() + interval '1 day' * (ARRAY[-10, 30, 10, 25, NULL])[1 + mod(n, 5)] END,
    round(list_price * 0.6, 2),
    CASE WHEN mod(n, 31) = 6 THEN this_moment() + interval '14 days' ELSE created_on END,
    CASE
        WHEN mod(n, 19) = 3 THEN this_moment() - interval '40 days'
        WHEN mod(n, 29) = 3 THEN this_moment() + interval '90 days'
    END,
    CASE WHEN mod(n, 83) = 16 THEN NULL ELSE mod(n, 23) = 4 END,
    CASE WHEN mod(n, 67) = 14 THEN NULL ELSE mod(n, 3) > 0 END,
    mod(n, 11) <> 1,
    CASE WHEN mod(n, 15) = 8 THEN NULL ELSE uid('Brand', (1 + draw(n, 106, %(brands)s))::text) END,
    CASE WHEN mod(n, 4) = 1 THEN NULL ELSE uid('ProductLine', (1 + draw(n, 107, %(product_lines)s))::text) END,
    CASE WHEN mod(n, 3) = 2 THEN NULL ELSE uid('Vendor', (1 + draw(n, 108, %(vendors)s))::text) END,
    -- Every tenth product is the style parent of the next three.
    CASE WHEN mod(n, 10) BETWEEN 1 AND 3 THEN uid('Product', (n / 10 * 10)::text) END,
    CASE WHEN mod(n, 23) = 4 AND n > 0 THEN uid('Product', (n - 1)::text) END,
    draw(n, 109, 4000) / 100.0,
    draw(n, 110, 1000),
    'TX' || draw(n, 111, 3),
    CASE WHEN mod(n, 2) = 0 THEN '' ELSE '<p>' || title || ' &amp; more</p>' END,
    created_on, 'erp', d.modified_on, pick(ARRAY['erp', 'admin', 'José', ''], n, 112)
FROM draft_product AS d
CROSS JOIN LATERAL (
    SELECT
        pick(product_materials(), n, 120) || ' ' || pick(product_nouns(), n, 121) || ' ' || pick(product_sizes(), n, 122)
            AS title,
        CASE
            WHEN mod(n, 71) = 12 THEN n || 'E4'
            WHEN mod(n, 5) = 0 THEN lpad((n + 137)::text, 8, '0')
            ELSE pick(ARRAY['HX', 'BR-', 'T/', 'Ü-'], n, 123) || (10000 + n)
        END AS erp_number,
        pick(ARRAY['EA', 'EA', 'EA', 'PK', 'FT', ''], n, 124) AS unit,
        CASE
            WHEN mod(n, 89) = 17 THEN 0
            -- Cents have fractions here, but even half a unit costs a whole one.
            WHEN mod(n, 10) = 6 THEN round((draw(n, 125, 90000) + 2000) / 100000.0, 5)
            ELSE round(((power(fraction(n, 126), 3) * 99000)::integer + 99) / 100.0, 2)
        END AS list_price,
        mod(n, 4) = 1 AS is_on_sale,
        d.modified_on - interval '1 day' * (30 + draw(n, 127, 1500)) AS created_on
) AS v;

INSERT INTO ProductImage (
    Id, ProductId, SortOrder, Name, ImageType, SmallImagePath, MediumImagePath, LargeImagePath, AltText,
    CreatedOn, ModifiedOn
)
SELECT
    uid('ProductImage', n || '/' || i),
    d.id,
    -- The first picture to show is not the first row; every ninth product has ties.
    CASE WHEN mod(n, 9) = 4 THEN 0 ELSE (4 - i) * 10 END,
    'Picture ' || i,
    pick(ARRAY['Static', '360'], n + i, 130),
    CASE WHEN mod(n + i, 5) = 2 THEN NULL ELSE base || 'small_' || n || '_' || i || '.jpg' END,
    CASE WHEN mod(n + i, 7) = 3 THEN '' WHEN mod(n + i, 7) = 5 THEN NULL ELSE base || 'mid ' || n || '_' || i || '.jpg' END,
    CASE WHEN mod(n + i, 14) = 3 THEN '' ELSE base || 'large_' || n || '_' || i || '.jpg' END,
    CASE WHEN mod(n, 6) = 1 THEN NULL ELSE 'Ansicht ' || i END,
    d.modified_on - interval '40 days',
    CASE
        WHEN mod(n, 29) = 13 THEN d.modified_on + (this_moment() - d.modified_on) * 0.5
        ELSE d.modified_on - interval '1 minute' * draw(n, 131, 600)
    END
FROM draft_product AS d
CROSS JOIN LATERAL generate_series(1, draw(n, 132, 4)) AS i
CROSS JOIN LATERAL (
    SELECT pick(ARRAY['/userfiles/images/', 'userfiles/products/', 'https://cdn.example.com/i/', '//cdn.example.com/'],
        n, 133) AS base
) AS v;

INSERT INTO CategoryProduct (Id, CategoryId, ProductId, IsPrimaryCategory, CreatedOn, ModifiedOn)
SELECT
    uid('CategoryProduct', n || '/' || i),
    uid('Category', (1 + mod(draw(n, 140, %(categories)s) + 5 * i, %(categories)s))::text),
    d.id,
    -- Some have no primary category, a few have two.
    (i = 1 AND mod(n, 17) <> 4) OR mod(n, 97) = 18,
    d.modified_on - interval '40 days',
    CASE
        WHEN mod(n, 37) = 14 THEN d.modified_on + (this_moment() - d.modified_on) * 0.4
        ELSE d.modified_on - interval '1 minute' * draw(n, 141, 600)
    END
FROM draft_product AS d
CROSS JOIN LATERAL generate_series(1, CASE WHEN mod(n, 29) = 5 THEN 0 ELSE 1 + draw(n, 142, 3) END) AS i;

INSERT INTO ProductWarehouse (
    Id, ProductId, WarehouseId, ErpQtyAvailable, QtyOnOrder, SafetyStock, UnitCost, IsDiscontinued, IsStocked,
    CreatedOn, ModifiedOn
)
SELECT
    uid('ProductWarehouse', n || '/' || i),
    d.id,
    uid('Warehouse', (1 + mod(draw(n, 150, %(warehouses)s) + i, %(warehouses)s))::text),
    CASE WHEN mod(n, 21) = 3 THEN NULL ELSE draw(n * 4 + i, 151, 500) END,
    draw(n * 4 + i, 152, 50),
    draw(n * 4 + i, 153, 20),
    1 + draw(n, 154, 900) / 100.0,
    false,
    true,
    d.modified_on - interval '40 days',
    d.modified_on
FROM draft_product AS d
CROSS JOIN LATERAL generate_series(1, 1 + draw(n, 155, 3)) AS i;

INSERT INTO CustomProperty (Id, ParentTable, ParentId, Name, Value, CreatedOn, ModifiedOn)
SELECT
    uid('CustomProperty', 'Product/' || n || '/' || p.name), 'Product', d.id, p.name, p.value,
    d.modified_on - interval '40 days', d.modified_on
FROM draft_product AS d
CROSS JOIN LATERAL (
    VALUES
        ('HazardClass', pick(ARRAY['', '3', '8', '09', 'keine'], n, 160)),
        ('ecoScore', (draw(n, 161, 1000) / 10.0)::text),
        ('Is Heavy', pick(ARRAY['true', 'false'], n, 162))
) AS p (name, value)
WHERE mod(n, 5) = 2;
