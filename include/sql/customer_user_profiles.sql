-- One row per link between a customer (account) and a user profile (person). Key: business_id and user_id.
-- Source: CustomerUserProfile, with Customer and UserProfile to see that both ends exist.
-- Defects worked around: links outlive the customer or the profile they point at, and guests have links of their own;
-- such links are skipped. A removed link leaves no row behind, so no export can report it.
-- To change the export, edit the select list: a column's alias is the ODP field's name, and an alias that the standard
-- mapping lacks becomes a custom field of the column's type. A link is also modified when its custom properties are.

WITH selected AS (
    SELECT l.Id
    FROM CustomerUserProfile l
    WHERE (
            %(everything)s
            OR (l.ModifiedOn >= %(window_start)s::timestamptz AND l.ModifiedOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR l.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND (
                l.CustomerId IN (SELECT nc.Id FROM Customer nc WHERE nc.CustomerNumber = ANY(%(numbers)s::text[]))
                OR l.UserProfileId IN (SELECT nu.Id FROM UserProfile nu WHERE nu.UserName = ANY(%(numbers)s::text[]))
            ))
        )
    UNION
    SELECT l.Id
    FROM CustomerUserProfile l
    WHERE l.Id IN (
            SELECT cp.ParentId FROM CustomProperty cp
            WHERE cp.ParentTable = 'CustomerUserProfile'
                AND cp.ModifiedOn >= %(window_start)s::timestamptz AND cp.ModifiedOn < %(window_end)s::timestamptz
        )
        AND NOT %(everything)s
        AND (
            %(all_ids)s
            OR l.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND (
                l.CustomerId IN (SELECT nc.Id FROM Customer nc WHERE nc.CustomerNumber = ANY(%(numbers)s::text[]))
                OR l.UserProfileId IN (SELECT nu.Id FROM UserProfile nu WHERE nu.UserName = ANY(%(numbers)s::text[]))
            ))
        )
)

SELECT
    l.Id AS entity_id,
    l.CustomerId AS business_id,
    l.UserProfileId AS user_id,
    l.UserProfileId AS business_user_id,
    l.Id AS business_user_link_id,
    CASE WHEN %(email_mode)s = 'unique' THEN lower(btrim(u.Email)) END AS email,
    l.IsDefault AS is_default,
    l.CreatedOn AS created_at,
    CASE
        WHEN c.Id IS NULL THEN 'customer not found'
        WHEN u.Id IS NULL THEN 'user profile not found'
        WHEN c.IsGuest THEN 'guest account'
        WHEN u.IsGuest THEN 'guest profile'
    END AS skip_reason
FROM selected s
JOIN CustomerUserProfile l ON l.Id = s.Id
LEFT JOIN Customer c ON c.Id = l.CustomerId
LEFT JOIN UserProfile u ON u.Id = l.UserProfileId
ORDER BY l.ModifiedOn NULLS FIRST, l.Id
