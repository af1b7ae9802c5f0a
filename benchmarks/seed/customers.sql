-- Customers %(first)s to %(past)s - 1, in fours: a bill-to and its three ship-tos. No guests.

INSERT INTO Customer (
    Id, CustomerNumber, CustomerSequence, ErpNumber, ErpSequence, CompanyName, FirstName, LastName, Email, Phone, Fax,
    Attention, Address1, Address2, City, PostalCode, StateId, CountryId, CurrencyId, CurrencyCode, CustomerType, PriceCode,
    TermsCode, Territory, DefaultWarehouseId, CreditHold, IsActive, IsBillTo, IsShipTo, IsSoldTo, IsGuest, ParentId,
    CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    md5('Customer' || n)::uuid,
    'C' || (1000 + n / 4),
    CASE WHEN is_bill_to THEN '' ELSE (n %% 4)::text END,
    'C' || (1000 + n / 4),
    CASE WHEN is_bill_to THEN '' ELSE (n %% 4)::text END,
    CASE WHEN n %% 17 = 6 THEN '' ELSE company || CASE WHEN is_bill_to THEN '' ELSE ' - ' || city END END,
    (ARRAY['Ana', 'Dieter', 'François', 'Júlia', ''])[1 + n %% 5],
    (ARRAY['Silva', 'Müller', 'O''Brien', 'Łukasik'])[1 + n %% 4],
    CASE WHEN n %% 6 = 1 THEN '' ELSE 'orders' || n || '@example.com' END,
    '+1 (612) 555-' || lpad((n %% 10000)::text, 4, '0'),
    CASE WHEN n %% 3 = 0 THEN '555-' || lpad((n %% 10000)::text, 4, '0') ELSE '' END,
    CASE WHEN n %% 4 = 2 THEN 'c/o Receiving' ELSE '' END,
    (ARRAY['Maple Street', 'Rua São João', 'Königsallee', 'King''s Road "B"'])[1 + n %% 4] || ' ' || (1 + n %% 240),
    CASE WHEN n %% 5 = 1 THEN 'Dock ' || (n %% 30) || ', Gate "B"' ELSE '' END,
    city,
    lpad((n %% 99999)::text, 5, '0'),
    states[1 + n %% cardinality(states)],
    countries[1 + n %% cardinality(countries)],
    currencies[1 + n %% cardinality(currencies)],
    (ARRAY['USD', 'EUR', ''])[1 + n %% 3],
    (ARRAY['', 'Dealer', 'Key Account', 'Großkunde'])[1 + n %% 4],
    (ARRAY['', 'A', 'B'])[1 + n %% 3],
    (ARRAY['', 'NET30', 'COD', '2/10 n30'])[1 + n %% 4],
    (ARRAY['', 'North', 'Süd', 'EMEA'])[1 + n %% 4],
    CASE WHEN n %% 6 <> 2 THEN warehouses[1 + n %% cardinality(warehouses)] END,
    n %% 18 = 4,
    n %% 21 <> 5,
    is_bill_to, NOT is_bill_to, is_bill_to, false,
    CASE WHEN NOT is_bill_to THEN md5('Customer' || n / 4 * 4)::uuid END,
    modified_on - interval '1 day' * (1 + n %% 2000), 'erp',
    modified_on, 'erp'
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
CROSS JOIN LATERAL (
    SELECT
        n %% 4 = 0 AS is_bill_to,
        (ARRAY['Hexora Inc.', 'Brückner GmbH', 'O''Malley & Co', 'Rivet "R" Ltd.', 'Kyōto 京都'])[1 + n / 4 %% 5] AS company,
        (ARRAY['Springfield', 'São Paulo', 'Düsseldorf', 'London', 'Kraków'])[1 + n %% 5] AS city,
        %(now)s::timestamptz - interval '2592000 seconds' * (1 - n::double precision / %(rows)s) AS modified_on
) AS account
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS states FROM State) AS s
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS countries FROM Country) AS k
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS currencies FROM Currency) AS c
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS warehouses FROM Warehouse) AS w;
