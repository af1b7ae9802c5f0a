-- Orders %(first)s to %(past)s - 1: each is a purchase of five lines, placed by one of the first user profiles.

INSERT INTO OrderLine (
    Id, CustomerOrderId, Line, Release, ProductId, Description, QtyOrdered, QtyShipped, UnitOfMeasure, UnitListPrice,
    UnitRegularPrice, UnitNetPrice, TotalRegularPrice, TotalNetPrice, UnitCost, CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    md5('OrderLine' || n || '/' || line)::uuid, md5('CustomerOrder' || n)::uuid, line, 1,
    md5('Product' || (n * 31 + line * 7) %% 20000)::uuid,
    'Stainless hex bolt M' || line, quantity, quantity, 'EA', price, price, net, quantity * price, quantity * net,
    round(price * 0.6, 2), modified_on - interval '6 hours', 'storefront', modified_on, 'storefront'
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
CROSS JOIN LATERAL generate_series(1, 5) AS line
CROSS JOIN LATERAL (
    SELECT
        1 + (n + line) %% 12 AS quantity,
        round((99 + (n * 7 + line) %% 20000) / 100.0, 2) AS price,
        round((99 + (n * 7 + line) %% 20000) * (ARRAY[1, 1, 0.95, 0.9])[1 + n %% 4] / 100.0, 2) AS net,
        %(now)s::timestamptz - interval '2592000 seconds' * (1 - n::double precision / %(rows)s) AS modified_on
) AS v;

INSERT INTO CustomerOrder (
    Id, OrderNumber, Status, Type, OrderDate, CustomerId, ShipToId, WebsiteId, CustomerNumber, CustomerPO, ErpOrderNumber,
    TermsCode, ShipCode, ShippingCharges, HandlingCharges, TaxAmount, OrderTotal, BtCompanyName, BtFirstName, BtLastName,
    BtPhone, BtEmail, BtAddress1, BtAddress2, BtCity, BtState, BtPostalCode, BtCountry, StCompanyName, StFirstName,
    StLastName, StPhone, StEmail, StAddress1, StCity, StState, StPostalCode, StCountry, PlacedByUserName,
    PlacedByUserProfileId, InitiatedByUserProfileId, CurrencyId, ConversionRate, DefaultWarehouseId, IsGuestOrder,
    FulfillmentMethod, OrderSource, OrderDeviceType, IsCommerceOrder, CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    md5('CustomerOrder' || n)::uuid,
    'W' || lpad(n::text, 9, '0'),
    (ARRAY['Submitted', 'Processing', 'Complete'])[1 + n %% 3],
    'Order',
    modified_on - interval '1 hour' * (1 + n %% 2000),
    md5('Customer' || n %% 5000)::uuid,
    md5('Customer' || n %% 5000)::uuid,
    websites[1 + n %% cardinality(websites)],
    'C' || (1000 + n %% 5000),
    CASE WHEN n %% 3 = 1 THEN '' ELSE 'PO-' || n %% 99999 END,
    'E' || lpad(n::text, 8, '0'),
    'NET30', 'UPS', 4.95, 2.5, round(subtotal * 0.07, 2), subtotal + round(subtotal * 0.07, 2) + 7.45,
    'Hexora Inc.', 'François', 'O''Brien', '+1 612 555 0100', 'orders@example.com', 'Königsallee ' || n %% 240, 'Gate "B"',
    'Düsseldorf', 'MN', lpad((n %% 99999)::text, 5, '0'), 'United States',
    'Hexora Inc.', 'François', 'O''Brien', '+1 612 555 0100', 'orders@example.com', 'Königsallee ' || n %% 240,
    'Düsseldorf', 'MN', lpad((n %% 99999)::text, 5, '0'), 'United States',
    'person' || person, md5('UserProfile' || person)::uuid, md5('UserProfile' || person)::uuid,
    currencies[1 + n %% cardinality(currencies)], 1, warehouses[1 + n %% cardinality(warehouses)], false,
    (ARRAY['Ship', 'PickUp'])[1 + n %% 2], 'Web', (ARRAY['Desktop', 'Mobile', ''])[1 + n %% 3], true,
    modified_on - interval '6 hours', 'storefront', modified_on, 'storefront'
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
CROSS JOIN LATERAL (
    SELECT
        (n * 7919) %% %(people)s AS person,
        (
            SELECT sum((1 + (n + line) %% 12)
                * round((99 + (n * 7 + line) %% 20000) * (ARRAY[1, 1, 0.95, 0.9])[1 + n %% 4] / 100.0, 2))
            FROM generate_series(1, 5) AS line
        ) AS subtotal,
        %(now)s::timestamptz - interval '2592000 seconds' * (1 - n::double precision / %(rows)s) AS modified_on
) AS v
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS websites FROM Website) AS s
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS currencies FROM Currency) AS c
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS warehouses FROM Warehouse) AS w;

-- Every tenth order has a promotion that was worth nothing to it, so that the totals above stay right.
INSERT INTO CustomerOrderPromotion (Id, CustomerOrderId, PromotionId, Amount, CreatedOn, ModifiedOn)
SELECT
    md5('CustomerOrderPromotion' || n)::uuid, md5('CustomerOrder' || n)::uuid, md5('Promotion' || n %% 12)::uuid, 0,
    %(now)s::timestamptz - interval '40 days', %(now)s::timestamptz - interval '35 days'
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
WHERE n %% 10 = 3;
