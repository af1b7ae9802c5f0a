-- Customers (accounts), user profiles (people) and their links, numbers %(first)s to %(past)s - 1.
-- A profile and a customer of the same number belong to the same four accounts.

CREATE TEMPORARY TABLE draft_account ON COMMIT DROP AS
SELECT
    n,
    mod(n, 4) AS place_in_group,
    n / 4 AS company,
    is_guest_account(n) AS is_guest_account,
    mod(n, 20) = 19 AS is_guest_person,
    uid('Customer', n::text) AS customer_id,
    uid('UserProfile', n::text) AS profile_id,
    uid('Customer', account_of(n)::text) AS account_id,
    changed_at(n, 200) AS customer_modified_on,
    changed_at(n, 201) AS profile_modified_on
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n;

INSERT INTO Customer (
    Id, CustomerNumber, CustomerSequence, ErpNumber, ErpSequence, CompanyName, FirstName, MiddleName, LastName, Email, Phone,
    Fax, Attention, Address1, Address2, Address3, City, PostalCode, StateId, CountryId, CurrencyId, CurrencyCode,
    CustomerType, PriceCode, TermsCode, Territory, DefaultWarehouseId, CreditHold, CreditLimit, DiscountPercent, IsActive,
    IsBillTo, IsShipTo, IsSoldTo, IsGuest, ParentId, VatNumber, CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    customer_id,
    number,
    sequence,
    CASE WHEN mod(n, 8) = 5 THEN '' ELSE number END,
    sequence,
    CASE
        WHEN is_guest_account OR mod(n, 17) = 6 THEN ''
        WHEN is_bill_to THEN as_typed(company_name, n)
        ELSE company_name || ' - ' || city
    END,
    CASE WHEN mod(n, 51) = 6 THEN '' ELSE as_typed(pick(first_names(), n, 1), n) END,
    '',
    CASE WHEN mod(n, 51) = 6 THEN '' ELSE pick(last_names(), n, 2) END,
    CASE
        WHEN mod(n, 6) = 1 THEN ''
        WHEN is_guest_account THEN email_of(n)
        ELSE 'orders' || n || '@' || pick(company_slugs(), company, 10) || '.example.com'
    END,
    pick(ARRAY['', '+1 (612) 555-0', '0031 20 555 0', '0'], n, 210) || lpad(draw(n, 211, 1000)::text, 3, '0'),
    CASE WHEN mod(n, 3) = 0 THEN '555-' || lpad(draw(n, 212, 10000)::text, 4, '0') ELSE '' END,
    CASE WHEN mod(n, 4) = 2 THEN 'c/o ' || pick(last_names(), n, 213) ELSE '' END,
    as_typed(pick(streets(), n, 214) || ' ' || (1 + draw(n, 215, 240)), n),
    CASE WHEN mod(n, 5) = 1 THEN 'Dock ' || draw(n, 216, 30) || ', Gate "B"' ELSE '' END,
    CASE WHEN mod(n, 50) = 1 THEN 'Industriepark' ELSE '' END,
    city,
    pick(postal_codes(), n, 203),
    CASE WHEN state <> '' THEN uid('State', country || '-' || state) END,
    CASE WHEN mod(n, 33) = 12 THEN NULL ELSE uid('Country', country) END,
    CASE WHEN mod(n, 12) = 7 THEN NULL ELSE uid('Currency', currency) END,
    CASE WHEN mod(n, 24) = 7 THEN '' ELSE currency END,
    pick(ARRAY['', 'Dealer', 'Key Account', 'Großkunde'], n, 217),
    pick(ARRAY['', 'A', 'B'], n, 218),
    pick(ARRAY['', 'NET30', 'COD', '2/10 n30'], n, 219),
    pick(ARRAY['', 'North', 'Süd', 'EMEA'], n, 220),
    CASE WHEN mod(n, 6) = 2 THEN NULL ELSE uid('Warehouse', (1 + draw(n, 221, %(warehouses)s))::text) END,
    CASE WHEN mod(n, 73) = 15 THEN NULL ELSE mod(n, 18) = 4 END,
    1000 * draw(n, 222, 100),
    draw(n, 223, 15),
    mod(n, 21) <> 5,
    is_bill_to,
    NOT is_bill_to OR is_guest_account OR mod(company, 3) = 0,
    is_bill_to,
    is_guest_account,
    CASE
        WHEN n = customer_count() - 1 THEN uid('Customer', (n - 1)::text)
        WHEN n = customer_count() - 2 THEN uid('Customer', (n + 1)::text)
        WHEN is_bill_to THEN NULL
        -- A third level: the ship-to of a ship-to.
        WHEN place_in_group = 3 AND mod(company, 10) = 5 THEN uid('Customer', (n - 1)::text)
        ELSE account_id
    END,
    CASE WHEN mod(n, 7) = 0 THEN country || lpad(draw(n, 224, 99999999)::text, 9, '0') ELSE '' END,
    customer_modified_on - interval '1 day' * (1 + draw(n, 225, 2000)), 'erp',
    customer_modified_on, pick(ARRAY['erp', 'admin', ''], n, 226)
FROM draft_account
CROSS JOIN LATERAL (
    SELECT
        place_in_group = 0 OR is_guest_account AS is_bill_to,
        CASE
            WHEN is_guest_account THEN 'G' || n
            WHEN mod(company, 9) = 4 THEN lpad(company::text, 8, '0')
            ELSE 'C' || (1000 + company)
        END AS number,
        CASE WHEN place_in_group = 0 OR is_guest_account THEN '' ELSE place_in_group::text END AS sequence,
        pick(company_names(), company, 10) AS company_name,
        pick(cities(), n, 203) AS city,
        pick(states(), n, 203) AS state,
        pick(countries(), n, 203) AS country,
        pick(currencies(), n, 203) AS currency
) AS v;

INSERT INTO UserProfile (
    Id, UserName, FirstName, LastName, Company, Phone, Extension, Fax, Position, ActivationStatus, IsGuest, Email,
    DefaultCustomerId, ApproverUserProfileId, CurrencyId, LanguageId, LastLoginOn, LastActivityDate, PasswordChangedOn,
    IsDeactivated, DefaultWarehouseId, DefaultFulfillmentMethod, EmailOptOutAbandonedCart,
    CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    profile_id,
    CASE WHEN is_guest_person THEN 'guest-' || profile_id ELSE pick(first_name_slugs(), n, 1) || n END,
    CASE WHEN mod(n, 47) = 5 THEN '' ELSE as_typed(pick(first_names(), n, 1), n) END,
    CASE WHEN mod(n, 94) = 5 THEN '' ELSE pick(last_names(), n, 2) END,
    CASE WHEN is_guest_person OR mod(n, 5) = 0 THEN '' ELSE pick(company_names(), company, 10) END,
    pick(ARRAY['', '+44 20 7946 0', '612-555-0'], n, 230) || lpad(draw(n, 231, 1000)::text, 3, '0'),
    CASE WHEN mod(n, 3) = 1 THEN lpad(draw(n, 232, 1000)::text, 4, '0') ELSE '' END,
    CASE WHEN mod(n, 9) = 3 THEN '555-' || lpad(draw(n, 233, 10000)::text, 4, '0') ELSE '' END,
    pick(ARRAY['', 'Buyer', 'Einkäufer/in', 'Owner & CEO', 'Foreman'], n, 234),
    pick(ARRAY['Activated', 'Activated', 'Activated', 'EmailSent', 'EmailNotSent', ''], n, 235),
    is_guest_person,
    CASE
        WHEN mod(n, 37) = 5 OR (is_guest_person AND mod(n, 3) = 1) THEN ''
        WHEN mod(n, 370) = 6 THEN '   '
        -- The few who share an address with the profile before them, apart from case and blanks.
        WHEN mod(n, 2018) = 8 THEN upper(email_of(n - 1))
        WHEN mod(n, 2018) = 1017 THEN '  ' || email_of(n - 1) || ' '
        WHEN mod(n, 101) = 20 THEN ' ' || email_of(n) || '  '
        WHEN mod(n, 11) = 3 THEN initcap(email_of(n))
        ELSE email_of(n)
    END,
    CASE WHEN is_guest_person OR mod(n, 7) = 2 THEN NULL ELSE account_id END,
    CASE WHEN mod(n, 16) = 6 THEN uid('UserProfile', (n / 4 * 4)::text) END,
    CASE WHEN mod(n, 10) = 1 THEN NULL ELSE uid('Currency', pick(currencies(), n, 203)) END,
    CASE WHEN mod(n, 14) = 2 THEN NULL ELSE uid('Language', pick(ARRAY['en-us', 'de-de', 'fr-ca'], n, 236)) END,
    CASE WHEN mod(n, 6) <> 3 THEN profile_modified_on - interval '1 hour' * draw(n, 237, 700) END,
    CASE WHEN mod(n, 6) <> 3 THEN profile_modified_on END,
    CASE WHEN mod(n, 4) = 1 THEN profile_modified_on - interval '90 days' END,
    CASE WHEN mod(n, 89) = 17 THEN NULL ELSE mod(n, 23) = 1 END,
    CASE WHEN mod(n, 3) = 1 THEN uid('Warehouse', (1 + draw(n, 238, %(warehouses)s))::text) END,
    pick(ARRAY['Ship', 'PickUp', ''], n, 239),
    mod(n, 13) = 2,
    profile_modified_on - interval '1 day' * (1 + draw(n, 240, 1500)), 'storefront',
    profile_modified_on, pick(ARRAY['storefront', 'admin'], n, 241)
FROM draft_account;

-- Links that should be: every person to its account, every fourth to its ship-to as well. Links that outlived a customer
-- or a profile: two in 500 each.
INSERT INTO CustomerUserProfile (
    Id, CustomerId, UserProfileId, IsDefault, DefaultCostCode, CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    uid('CustomerUserProfile', n || '/' || kind), customer, person, is_default,
    CASE WHEN mod(n, 6) = 4 THEN 'CC-' || draw(n, 250, 90) ELSE '' END,
    modified_on - interval '1 day' * (1 + draw(n, 251, 900)), 'admin', modified_on, 'admin'
FROM draft_account
CROSS JOIN LATERAL (
    VALUES
        ('account', account_id, profile_id, CASE WHEN mod(n, 77) = 12 THEN NULL ELSE true END, changed_at(n, 252), true),
        ('ship-to', customer_id, profile_id, false, changed_at(n, 253), place_in_group = 1 AND NOT is_guest_account),
        ('gone customer', uid('gone', 'c' || n), profile_id, false, changed_at(n, 254), mod(n, 250) = 21),
        ('gone profile', account_id, uid('gone', 'p' || n), false, changed_at(n, 255), mod(n, 250) = 22)
) AS link (kind, customer, person, is_default, modified_on, wanted)
WHERE link.wanted;

INSERT INTO UserProfileWebsite (Id, UserProfileId, WebsiteId, CreatedOn, ModifiedOn)
SELECT
    uid('UserProfileWebsite', n::text), profile_id, uid('Website', (1 + draw(n, 260, %(websites)s))::text),
    profile_modified_on - interval '1 day', profile_modified_on
FROM draft_account;

INSERT INTO CustomProperty (Id, ParentTable, ParentId, Name, Value, CreatedOn, ModifiedOn)
SELECT
    uid('CustomProperty', entity || '/' || n || '/' || name), entity, parent, name, value, changed - interval '60 days',
    CASE WHEN mod(n, 31) = 9 THEN changed + (this_moment() - changed) * 0.6 ELSE changed END
FROM draft_account
CROSS JOIN LATERAL (
    VALUES
        ('Customer', customer_id, customer_modified_on, 'AccountManager', pick(last_names(), n, 270), mod(n, 6) = 0),
        ('Customer', customer_id, customer_modified_on, 'creditScore', draw(n, 271, 1000)::text, mod(n, 6) = 0),
        ('UserProfile', profile_id, profile_modified_on, 'PreferredColor', pick(ARRAY['red', '', 'grün', 'Blue '], n, 272),
            mod(n, 3) = 0),
        ('UserProfile', profile_id, profile_modified_on, 'Loyalty Tier', pick(ARRAY['Gold', 'Silver'], n, 273),
            mod(n, 9) = 4)
) AS property (entity, parent, changed, name, value, wanted)
WHERE property.wanted;
