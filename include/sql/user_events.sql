-- One row per event of a person. Key: event_source, event_id and ts, so that each event goes out once.
-- Source: UserProfile, with UserProfileWebsite (register: CreatedOn; login: LastLoginOn, of which Commerce keeps the latest only) and the optional
-- table or view StorefrontEvent (include/sql/storefront_event.sql). The setting user_events says which of the three.
-- Defects worked around: e-mail addresses are stored as typed, and do not identify where they are not unique; imported
-- accounts may have no CreatedOn.
-- Guests' registrations and logins, storefront events that belong to nobody, purchases (order_odp_export sends them), and
-- registrations and logins that come from UserProfile already are skipped.
-- To change the export, edit the select list: a column's alias is the ODP field's name, and an alias that the standard
-- mapping lacks becomes a custom field of the event. The window is about the time of the event, not about ModifiedOn.

WITH wanted AS (
    -- The ids that are asked for, and those inside of the keys of earlier events: source, id, second.
    SELECT %(ids)s::uuid[] || ARRAY(
        SELECT split_part(asked.number, ' ', 2)::uuid
        FROM unnest(%(numbers)s::text[]) AS asked(number)
        WHERE asked.number ~ '^(register|login|storefront) [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12} '
    ) AS ids
),

happened AS NOT MATERIALIZED (
    SELECT
        'register' AS event_source, u.Id AS event_id, u.CreatedOn AS occurred_on, 'account' AS type, 'register' AS action,
        u.Id AS person_id, NULL::text AS email, NULL::text AS vuid,
        NULL::text AS product_id, NULL::text AS search_term, NULL::text AS page, NULL::text AS category,
        NULL::uuid AS business_id, NULL::uuid AS website_id
    FROM UserProfile u
    CROSS JOIN wanted
    WHERE 'register' = ANY(%(user_events)s::text[])
        AND (
            %(everything)s
            OR (u.CreatedOn >= %(window_start)s::timestamptz AND u.CreatedOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR u.Id = ANY(wanted.ids)
            OR u.UserName = ANY(%(numbers)s::text[])
            OR lower(btrim(u.Email)) = ANY(%(numbers)s::text[])
        )
    UNION ALL
    SELECT
        'login', u.Id, u.LastLoginOn, 'account', 'login',
        u.Id, NULL, NULL,
        NULL, NULL, NULL, NULL,
        NULL, NULL
    FROM UserProfile u
    CROSS JOIN wanted
    WHERE 'login' = ANY(%(user_events)s::text[])
        AND u.LastLoginOn IS NOT NULL
        AND (
            %(everything)s
            OR (u.LastLoginOn >= %(window_start)s::timestamptz AND u.LastLoginOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR u.Id = ANY(wanted.ids)
            OR u.UserName = ANY(%(numbers)s::text[])
            OR lower(btrim(u.Email)) = ANY(%(numbers)s::text[])
        )
    UNION ALL
    SELECT
        'storefront', s.Id, s.OccurredOn, s.Type, s.Action,
        s.UserProfileId, s.Email, s.Vuid,
        s.ProductId, s.SearchTerm, s.Page, s.Category,
        s.CustomerId, s.WebsiteId
    FROM StorefrontEvent s
    CROSS JOIN wanted
    WHERE 'storefront' = ANY(%(user_events)s::text[])
        AND (
            %(everything)s
            OR (s.OccurredOn >= %(window_start)s::timestamptz AND s.OccurredOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR s.Id = ANY(wanted.ids)
            OR s.UserProfileId = ANY(wanted.ids)
            OR lower(btrim(s.Email)) = ANY(%(numbers)s::text[])
        )
),

-- Those of the setting websites: by their own website, else by those that their person is assigned to, else all.
of_websites AS (
    SELECT h.* FROM happened h WHERE %(all_websites)s
    UNION ALL
    SELECT h.* FROM happened h WHERE NOT %(all_websites)s AND h.website_id = ANY(%(website_ids)s::uuid[])
    UNION ALL
    SELECT h.*
    FROM happened h
    WHERE NOT %(all_websites)s
        AND h.website_id IS NULL
        AND NOT EXISTS (SELECT 1 FROM UserProfileWebsite upw WHERE upw.UserProfileId = h.person_id)
    UNION ALL
    SELECT h.*
    FROM happened h
    WHERE NOT %(all_websites)s
        AND h.website_id IS NULL
        AND EXISTS (
            SELECT 1
            FROM UserProfileWebsite upw
            WHERE upw.UserProfileId = h.person_id AND upw.WebsiteId = ANY(%(website_ids)s::uuid[])
        )
),

attributed AS (
    SELECT
        h.*,
        CASE
            WHEN %(email_mode)s <> 'unique' THEN NULL
            WHEN person.Id IS NOT NULL THEN lower(btrim(person.Email))
            ELSE lower(btrim(h.email))
        END AS identifier_email,
        person.Id AS identifier_business_user_id,
        -- ODP keeps the cookie's id without hyphens.
        lower(replace(btrim(h.vuid), '-', '')) AS identifier_vuid
    FROM of_websites h
    LEFT JOIN UserProfile person ON person.Id = h.person_id AND person.IsGuest IS NOT TRUE
)

SELECT
    a.event_id AS entity_id,
    a.event_source AS event_source,
    a.event_id AS event_id,
    a.occurred_on AS ts,
    a.type AS type,
    a.action AS action,
    a.identifier_email AS identifier_email,
    a.identifier_business_user_id AS identifier_business_user_id,
    a.identifier_vuid AS identifier_vuid,
    a.product_id AS product_id,
    a.search_term AS search_term,
    a.page AS page,
    a.category AS category,
    a.business_id AS business_id,
    CASE
        WHEN a.event_source <> 'storefront' AND a.identifier_business_user_id IS NULL THEN 'guest profile'
        WHEN a.event_source = 'register' AND a.occurred_on IS NULL THEN 'no CreatedOn'
        WHEN a.event_source = 'storefront' AND btrim(a.type) = 'order' AND btrim(a.action) = 'purchase'
            THEN 'purchase, which order_odp_export sends'
        WHEN a.event_source = 'storefront' AND btrim(a.type) = 'account' AND btrim(a.action) IN ('register', 'login')
            AND btrim(a.action) = ANY(%(user_events)s::text[])
            THEN btrim(a.action) || ', which is sent from UserProfile'
        WHEN coalesce(a.identifier_email, '') = '' AND a.identifier_business_user_id IS NULL
            AND coalesce(a.identifier_vuid, '') = '' THEN 'nobody to attribute the event to'
    END AS skip_reason
FROM attributed a
ORDER BY a.occurred_on NULLS FIRST, a.event_source, a.event_id
