-- User profiles %(first)s to %(past)s - 1. Each can be sent: an e-mail address of its own, no guest.

INSERT INTO UserProfile (
    Id, UserName, FirstName, LastName, Company, Phone, Extension, Fax, Position, ActivationStatus, IsGuest, Email,
    DefaultCustomerId, CurrencyId, LanguageId, LastLoginOn, LastActivityDate, IsDeactivated, DefaultWarehouseId,
    DefaultFulfillmentMethod, EmailOptOutAbandonedCart, CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    md5('UserProfile' || n)::uuid,
    lower(first_name) || n,
    first_name,
    last_name,
    company,
    '+1 612 ' || lpad((n * 7919 %% 10000000)::text, 7, '0'),
    CASE WHEN n %% 3 = 1 THEN lpad((n %% 1000)::text, 4, '0') ELSE '' END,
    CASE WHEN n %% 9 = 3 THEN '555-' || lpad((n %% 10000)::text, 4, '0') ELSE '' END,
    (ARRAY['', 'Buyer', 'Einkäufer/in', 'Owner & CEO', 'Foreman'])[1 + n %% 5],
    (ARRAY['Activated', 'Activated', 'EmailSent', ''])[1 + n %% 4],
    false,
    -- As people type it: one in eleven with a capital, one in a hundred with blanks around it.
    CASE
        WHEN n %% 101 = 20 THEN ' ' || address || ' '
        WHEN n %% 11 = 3 THEN initcap(address)
        ELSE address
    END,
    CASE WHEN n %% 7 <> 2 THEN md5('Customer' || n / 4)::uuid END,
    currencies[1 + n %% cardinality(currencies)],
    languages[1 + n %% cardinality(languages)],
    CASE WHEN n %% 6 <> 3 THEN modified_on - interval '1 hour' * (n %% 700) END,
    CASE WHEN n %% 6 <> 3 THEN modified_on END,
    n %% 23 = 1,
    CASE WHEN n %% 3 = 1 THEN warehouses[1 + n %% cardinality(warehouses)] END,
    (ARRAY['Ship', 'PickUp', ''])[1 + n %% 3],
    n %% 13 = 2,
    modified_on - interval '1 day' * (1 + n %% 1500), 'storefront',
    modified_on, 'storefront'
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
CROSS JOIN LATERAL (
    SELECT
        (ARRAY['Ana', 'Bruno', 'Carla', 'Dieter', 'Eve', 'François', 'Greta', 'Hana', 'Ivan', 'Júlia', 'Klaus'])[1 + n %% 11]
            AS first_name,
        (ARRAY['Silva', 'Smith', 'Müller', 'Garcia', 'Jones', 'Nowak', 'Łukasik', 'O''Brien', 'Kim', 'van "Bo" Dam'])[1 + n %% 10]
            AS last_name,
        CASE WHEN n %% 5 = 0 THEN ''
            ELSE (ARRAY['Hexora Inc.', 'Brückner GmbH', 'O''Malley & Co', 'Rivet "R" Ltd.'])[1 + n %% 4] END AS company,
        'person' || n || (ARRAY['@example.com', '@mail.example.org', '@shop.example.net'])[1 + n %% 3] AS address,
        %(now)s::timestamptz - interval '2592000 seconds' * (1 - n::double precision / %(rows)s) AS modified_on
) AS person
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS currencies FROM Currency) AS c
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS languages FROM Language) AS l
CROSS JOIN (SELECT array_agg(Id ORDER BY Id) AS warehouses FROM Warehouse) AS w;
