-- One row per user profile, which is a person. Key: email where e-mail addresses are unique, else business_user_id.
-- Source: UserProfile, with UserProfileWebsite, Currency and Language.
-- Defects worked around: e-mail addresses are stored as typed (case, blanks) and '' where there is none. Where they
-- are not unique, email stays empty and the address goes to contact_email, because ODP would merge the people who
-- share it.
-- Guests, and people without e-mail where it is the key, are skipped.
-- To change the export, edit the select list: a column's alias is the ODP field's name, and an alias that the standard
-- mapping lacks becomes a custom field of the column's type. A profile is also modified when its custom properties
-- are and, with the setting websites, when its person is assigned to a website.

WITH candidate AS NOT MATERIALIZED (
    SELECT u.Id
    FROM UserProfile u
    WHERE (
            %(everything)s
            OR (u.ModifiedOn >= %(window_start)s::timestamptz AND u.ModifiedOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR u.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND (
                u.UserName = ANY(%(numbers)s::text[])
                OR u.Email = ANY(%(numbers)s::text[])
                OR lower(btrim(u.Email)) = ANY(%(numbers)s::text[])
            ))
        )
    UNION
    SELECT u.Id
    FROM UserProfile u
    WHERE u.Id IN (
            SELECT cp.ParentId FROM CustomProperty cp
            WHERE cp.ParentTable = 'UserProfile'
                AND cp.ModifiedOn >= %(window_start)s::timestamptz AND cp.ModifiedOn < %(window_end)s::timestamptz
            UNION
            SELECT upw.UserProfileId FROM UserProfileWebsite upw
            WHERE upw.ModifiedOn >= %(window_start)s::timestamptz AND upw.ModifiedOn < %(window_end)s::timestamptz
                AND NOT %(all_websites)s
        )
        AND NOT %(everything)s
        AND (
            %(all_ids)s
            OR u.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND (
                u.UserName = ANY(%(numbers)s::text[])
                OR u.Email = ANY(%(numbers)s::text[])
                OR lower(btrim(u.Email)) = ANY(%(numbers)s::text[])
            ))
        )
),

-- Those of the setting websites, and those who are not assigned to any website, so that they may use all; without the
-- setting, all people.
selected AS (
    SELECT candidate.Id
    FROM candidate
    WHERE %(all_websites)s
    UNION ALL
    SELECT candidate.Id
    FROM candidate
    WHERE NOT %(all_websites)s
        AND NOT EXISTS (SELECT 1 FROM UserProfileWebsite upw WHERE upw.UserProfileId = candidate.Id)
    UNION ALL
    SELECT candidate.Id
    FROM candidate
    WHERE NOT %(all_websites)s
        AND EXISTS (
            SELECT 1
            FROM UserProfileWebsite upw
            WHERE upw.UserProfileId = candidate.Id AND upw.WebsiteId = ANY(%(website_ids)s::uuid[])
        )
)

SELECT
    u.Id AS entity_id,
    CASE WHEN %(email_mode)s = 'unique' THEN lower(btrim(u.Email)) END AS email,
    u.Id AS business_user_id,
    CASE WHEN %(email_mode)s <> 'unique' THEN lower(btrim(u.Email)) END AS contact_email,
    u.FirstName AS first_name,
    u.LastName AS last_name,
    u.Phone AS phone,
    u.UserName AS user_name,
    u.Company AS company,
    u.Position AS position,
    u.Extension AS extension,
    u.Fax AS fax,
    u.ActivationStatus AS activation_status,
    NOT u.IsDeactivated AS is_active,
    u.IsGuest AS is_guest,
    u.LastLoginOn AS last_login_at,
    u.CreatedOn AS created_at,
    u.DefaultCustomerId AS default_business_id,
    u.DefaultWarehouseId AS default_warehouse_id,
    currency.CurrencyCode AS currency,
    language.LanguageCode AS language,
    u.EmailOptOutAbandonedCart AS email_opt_out_abandoned_cart,
    CASE
        WHEN u.IsGuest THEN 'guest profile'
        WHEN %(email_mode)s = 'unique' AND coalesce(btrim(u.Email), '') = '' THEN 'no e-mail'
    END AS skip_reason
FROM selected s
JOIN UserProfile u ON u.Id = s.Id
LEFT JOIN Currency currency ON currency.Id = u.CurrencyId
LEFT JOIN Language language ON language.Id = u.LanguageId
ORDER BY u.ModifiedOn NULLS FIRST, u.Id
