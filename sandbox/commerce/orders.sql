-- Orders %(first)s to %(past)s - 1 with their lines, promotions and custom properties.
--
-- An order balances: OrderTotal = net of its lines - promotion on the whole order + tax + shipping + handling. The net of
-- a line is TotalNetPrice, or QtyOrdered * UnitNetPrice where Commerce has not calculated it (0).

-- The drafts are small and used once: keep them in memory, look at few of their rows for statistics, cache nothing.
SET LOCAL temp_buffers = '64MB';
SET LOCAL default_statistics_target = 5;
SET LOCAL enable_memoize = off;
SET LOCAL random_page_cost = 1.1;

CREATE TEMPORARY TABLE draft_order ON COMMIT DROP AS
SELECT
    n,
    uid('CustomerOrder', n::text) AS id,
    mix.status,
    mix.is_placed,
    mix.is_in_erp,
    is_guest,
    buyer,
    uid('Customer', account_of(buyer)::text) AS bill_to_id,
    uid('Customer', buyer::text) AS ship_to_id,
    -- Every twentieth profile is a guest's; its neighbour shops for the account.
    uid('UserProfile', (CASE WHEN mod(buyer, 20) = 19 THEN buyer - 1 ELSE buyer END)::text) AS person_id,
    changed_at(n, 300) AS modified_on,
    -- Some orders have no lines at all.
    CASE WHEN mod(n, 41) = 7 THEN 0 ELSE 1 + draw(n, 301, 4) + draw(n, 302, 4) END AS line_count
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
JOIN status_mix AS mix ON mix.rank = mod(n * 7919 + %(seed)s, 1000)
CROSS JOIN LATERAL (SELECT mod(n, 25) = 7 AS is_guest) AS kind
CROSS JOIN LATERAL (
    SELECT least(
        customer_count() - 1,
        CASE
            WHEN is_guest THEN 76 + 80 * draw(n, 303, greatest(customer_count() / 80, 1)::integer) + draw(n, 304, 4)
            -- A few accounts order most.
            ELSE floor(customer_count() * power(fraction(n, 305), 2))::bigint
        END
    ) AS buyer
) AS who;

CREATE TEMPORARY TABLE draft_line ON COMMIT DROP AS
SELECT
    d.n,
    line,
    key,
    d.id AS order_id,
    d.modified_on,
    uid('OrderLine', d.n || '/' || line) AS id,
    p.Id AS product_id,
    p.ShortDescription AS title,
    p.UnitOfMeasure AS unit,
    p.BasicListPrice AS list_price,
    is_promotion,
    quantity,
    regular_price,
    net_price,
    round(quantity * regular_price, 2) AS regular_total,
    round(quantity * net_price, 2) AS net_total,
    -- Only where the product of the two is exact, so that orders still balance.
    mod(key, 61) = 17 AND quantity = trunc(quantity) AND net_price = round(net_price, 2) AS is_uncalculated
FROM draft_order AS d
CROSS JOIN LATERAL generate_series(1, d.line_count) AS line
CROSS JOIN LATERAL (SELECT d.n * 8 + line AS key, mod(d.n * 8 + line, 37) = 5 AS is_promotion OFFSET 0) AS k
JOIN Product AS p ON p.Id = uid('Product', floor(product_count() * power(fraction(key, 310), 1.5))::bigint::text)
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN mod(key, 43) = 11 THEN 0
            WHEN p.UnitOfMeasure = 'FT' THEN 0.5 * (1 + draw(key, 311, 60))
            ELSE 1 + draw(key, 312, 12)
        END AS quantity,
        CASE WHEN is_promotion THEN 0 ELSE p.BasicListPrice END AS regular_price
    OFFSET 0
) AS v
CROSS JOIN LATERAL (
    SELECT round(
        regular_price * (ARRAY[1, 1, 1, 0.95, 0.9, 0.85, 0.78])[1 + draw(key, 313, 7)],
        CASE WHEN regular_price < 1 THEN 5 ELSE 2 END
    ) AS net_price
    OFFSET 0
) AS w;

CREATE TEMPORARY TABLE draft_amount ON COMMIT DROP AS
SELECT n, subtotal, promotion, tax, shipping, handling, subtotal - promotion + tax + shipping + handling AS total
FROM (
    SELECT
        d.n,
        coalesce(l.subtotal, 0) AS subtotal,
        CASE WHEN mod(d.n, 9) = 2 THEN round(coalesce(l.subtotal, 0) * (1 + draw(d.n, 320, 3)) * 0.05, 2) ELSE 0 END
            AS promotion,
        round(coalesce(l.subtotal, 0) * (ARRAY[0, 0.055, 0.07, 0.19, 0.21])[1 + draw(d.n, 321, 5)], 2) AS tax,
        CASE WHEN l.n IS NULL OR mod(d.n, 5) = 3 THEN 0 ELSE (ARRAY[0, 4.95, 9.9, 24])[1 + draw(d.n, 322, 4)] END
            AS shipping,
        CASE WHEN l.n IS NOT NULL AND mod(d.n, 6) = 4 THEN 2.5 ELSE 0 END AS handling
    FROM draft_order AS d
    LEFT JOIN (SELECT n, sum(net_total) AS subtotal FROM draft_line GROUP BY n) AS l ON l.n = d.n
) AS a;

ANALYZE draft_order, draft_line, draft_amount;

INSERT INTO OrderLine (
    Id, CustomerOrderId, Line, Release, ProductId, Status, Description, Notes, QtyOrdered, QtyShipped, UnitOfMeasure,
    UnitListPrice, UnitRegularPrice, UnitNetPrice, TotalRegularPrice, TotalNetPrice, UnitCost, IsPromotionItem, SmartPart,
    CustomerPOLine, CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    id, order_id, line, 1, product_id, '', left(title, 200),
    CASE WHEN mod(key, 71) = 20 THEN E'cut to length:\n\t2 × 1½ "' ELSE '' END,
    quantity, CASE WHEN mod(key, 3) = 1 THEN NULL ELSE quantity END, unit,
    list_price, regular_price, net_price,
    CASE WHEN is_uncalculated THEN 0 ELSE regular_total END,
    CASE WHEN is_uncalculated THEN 0 ELSE net_total END,
    round(list_price * 0.6, 2), is_promotion, '',
    CASE WHEN mod(key, 4) = 2 THEN lpad(line::text, 3, '0') ELSE '' END,
    modified_on - interval '6 hours', 'storefront',
    CASE
        WHEN mod(key, 29) = 3 THEN modified_on + (this_moment() - modified_on) * 0.5
        ELSE modified_on - interval '1 minute' * draw(key, 330, 30)
    END,
    'storefront'
FROM draft_line;

INSERT INTO CustomerOrder (
    Id, OrderNumber, Status, Type, OrderDate, CustomerId, ShipToId, WebsiteId, CustomerNumber, CustomerSequence, CustomerPO,
    ErpOrderNumber, Notes, TermsCode, ShipCode, ShippingCharges, HandlingCharges, TaxAmount, StateTax, LocalTax, OrderTotal,
    BtCompanyName, BtFirstName, BtLastName, BtPhone, BtEmail, BtAddress1, BtAddress2, BtAddress3, BtCity, BtState,
    BtPostalCode, BtCountry,
    StCompanyName, StFirstName, StLastName, StPhone, StEmail, StAddress1, StAddress2, StAddress3, StCity, StState,
    StPostalCode, StCountry,
    PlacedByUserName, PlacedByUserProfileId, InitiatedByUserProfileId, CurrencyId, ConversionRate, DefaultWarehouseId,
    LanguageId, IsGuestOrder, FulfillmentMethod, OrderSource, OrderDeviceType, IsCommerceOrder, TaxCalculated,
    RequestedDeliveryDate, CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    d.id,
    CASE WHEN d.is_placed THEN 'W' || lpad(n::text, 8, '0') ELSE '' END,
    d.status,
    CASE WHEN d.status = 'QuoteProposed' THEN 'Quote' ELSE 'Order' END,
    CASE WHEN d.is_placed OR mod(n, 4) > 0 THEN d.modified_on - interval '1 hour' * (1 + draw(n, 340, 2000)) END,
    d.bill_to_id,
    d.ship_to_id,
    uid('Website', (1 + draw(n, 341, %(websites)s))::text),
    bill.CustomerNumber,
    bill.CustomerSequence,
    CASE WHEN mod(n, 3) = 1 THEN '' WHEN mod(n, 199) = 27 THEN '\N' ELSE as_typed('PO-' || draw(n, 342, 99999), n) END,
    CASE WHEN d.is_in_erp THEN 'E' || lpad(n::text, 7, '0') ELSE '' END,
    CASE WHEN mod(n, 19) = 8 THEN E'Call before delivery, "rear gate"\n\\.\nDanke 🙏' ELSE '' END,
    bill.TermsCode,
    pick(ARRAY['', 'UPS', 'LTL', 'DHL'], n, 343),
    a.shipping,
    CASE WHEN a.handling = 0 AND mod(n, 31) = 5 THEN NULL ELSE a.handling END,
    CASE WHEN is_tax_split THEN 0 ELSE a.tax END,
    CASE WHEN is_tax_split THEN a.tax - round(a.tax * 0.2, 2) ELSE 0 END,
    CASE WHEN is_tax_split THEN round(a.tax * 0.2, 2) ELSE 0 END,
    a.total,
    bill.CompanyName,
    CASE WHEN d.is_guest THEN as_typed(pick(first_names(), n, 3), n) ELSE bill.FirstName END,
    CASE WHEN d.is_guest THEN pick(last_names(), n, 4) ELSE bill.LastName END,
    bill.Phone,
    CASE
        WHEN NOT has_email THEN ''
        WHEN d.is_guest THEN CASE WHEN mod(n, 175) <> 32 THEN guest_email ELSE '' END
        ELSE coalesce(nullif(btrim(person.Email), ''), bill.Email)
    END,
    bill.Address1, bill.Address2, bill.Address3, bill.City, coalesce(bill_state.Abbreviation, ''), bill.PostalCode,
    coalesce(bill_country.Name, ''),
    ship.CompanyName, ship.FirstName, ship.LastName, ship.Phone,
    CASE WHEN d.is_guest AND mod(n, 175) = 32 THEN guest_email WHEN d.is_guest OR NOT has_email THEN '' ELSE ship.Email END,
    ship.Address1, ship.Address2, ship.Address3, ship.City, coalesce(ship_state.Abbreviation, ''), ship.PostalCode,
    coalesce(ship_country.Name, ''),
    CASE WHEN is_placed_by_person THEN person.UserName ELSE '' END,
    CASE WHEN is_placed_by_person THEN person.Id END,
    CASE WHEN NOT d.is_guest AND mod(n, 97) <> 13 THEN person.Id END,
    CASE WHEN mod(n, 59) = 30 THEN NULL ELSE bill.CurrencyId END,
    CASE mod(n, 20) WHEN 0 THEN NULL WHEN 1 THEN 1.0852 ELSE 1 END,
    bill.DefaultWarehouseId,
    person.LanguageId,
    d.is_guest,
    CASE WHEN mod(n, 5) = 3 THEN 'PickUp' ELSE 'Ship' END,
    pick(ARRAY['', 'Web', 'Web', 'Mobile', 'VMI'], n, 344),
    pick(ARRAY['', 'Desktop', 'Phone', 'Tablet'], n, 345),
    true,
    true,
    CASE WHEN mod(n, 8) = 6 THEN d.modified_on + interval '5 days' END,
    d.modified_on - interval '1 hour' * (2001 + draw(n, 346, 200)), 'storefront',
    d.modified_on, pick(ARRAY['storefront', 'erp'], n, 347)
FROM draft_order AS d
JOIN draft_amount AS a USING (n)
JOIN Customer AS bill ON bill.Id = d.bill_to_id
JOIN Customer AS ship ON ship.Id = d.ship_to_id
JOIN UserProfile AS person ON person.Id = d.person_id
LEFT JOIN State AS bill_state ON bill_state.Id = bill.StateId
LEFT JOIN State AS ship_state ON ship_state.Id = ship.StateId
LEFT JOIN Country AS bill_country ON bill_country.Id = bill.CountryId
LEFT JOIN Country AS ship_country ON ship_country.Id = ship.CountryId
CROSS JOIN LATERAL (
    SELECT
        mod(n, 13) = 6 AS is_tax_split,
        -- Some orders name nobody at all, and some only the person who filled the cart.
        d.is_guest OR mod(n, 97) <> 13 AS has_email,
        NOT d.is_guest AND mod(n, 97) <> 13 AND mod(n, 33) <> 4 AS is_placed_by_person,
        pick(ARRAY['guest.', 'guest.', 'Guest.', ' guest.'], n, 348) || pick(last_name_slugs(), n, 4) || n
            || '@mail.example.com' AS guest_email
) AS v;

-- Promotions on the whole order, which lower its total, and on a line, whose net price has them in it already.
INSERT INTO CustomerOrderPromotion (
    Id, CustomerOrderId, PromotionId, OrderLineId, Amount, CreatedOn, ModifiedOn
)
SELECT
    uid('CustomerOrderPromotion', n::text), d.id, uid('Promotion', draw(n, 350, 12)::text), NULL, a.promotion,
    d.modified_on - interval '6 hours',
    CASE WHEN mod(n, 7) = 3 THEN d.modified_on + (this_moment() - d.modified_on) * 0.3 ELSE d.modified_on END
FROM draft_order AS d
JOIN draft_amount AS a USING (n)
WHERE a.promotion > 0
UNION ALL
SELECT
    uid('CustomerOrderPromotion', n || '/' || line), order_id, uid('Promotion', draw(n, 350, 12)::text), id,
    regular_total - net_total, modified_on - interval '6 hours', modified_on
FROM draft_line
WHERE mod(key, 10) = 3 AND regular_total > net_total;

INSERT INTO CustomProperty (Id, ParentTable, ParentId, Name, Value, CreatedOn, ModifiedOn)
SELECT
    uid('CustomProperty', 'CustomerOrder/' || n || '/' || p.name), 'CustomerOrder', d.id, p.name, p.value,
    d.modified_on - interval '6 hours', d.modified_on
FROM draft_order AS d
CROSS JOIN LATERAL (
    VALUES ('gateCode', lpad(draw(n, 360, 10000)::text, 4, '0')), ('GiftMessage', as_typed('Für Anna ❤', n))
) AS p (name, value)
WHERE mod(n, 20) = 3;
