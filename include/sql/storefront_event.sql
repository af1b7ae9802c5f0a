-- StorefrontEvent: the history of storefront events, for user_event_odp_export. Commerce has no such table: fill this one
-- from wherever the history is (a tag manager's log, an analytics export), or put a view of this name over it.
--
-- Run it in the schema that the connection commerce_db reads, or in one of its own that comes after it in the search_path,
-- with a user who may create tables there; a replica that is read-only needs a foreign table or another schema.
-- Each row is checked against Commerce's table of user events: docs/user-events.md lists types, actions and what each needs.

CREATE TABLE IF NOT EXISTS StorefrontEvent (
    -- Stable: by it an event goes out once. A log without one can make it: md5(concat_ws('|', ...))::uuid.
    Id uuid PRIMARY KEY,
    -- As ODP spells them: product, add_to_cart; pageview has no action.
    Type text NOT NULL,
    Action text,
    -- When it happened, to the second; the windows of the export are about it.
    OccurredOn timestamptz NOT NULL,
    -- Who: the UserProfile that was logged in; of guests an e-mail address, or the id of ODP's own cookie. One is enough.
    UserProfileId uuid,
    Email text,
    Vuid text,
    -- What: product_id as product_odp_export sends it (Product.Id), search term, address of the page, category, and the
    -- Customer that was chosen.
    ProductId text,
    SearchTerm text,
    Page text,
    Category text,
    CustomerId uuid,
    -- Where: the Website. Only the settings websites and accounts look at it; without one, it happened on those of its person.
    WebsiteId uuid
);
CREATE INDEX IF NOT EXISTS storefrontevent_occurredon ON StorefrontEvent (OccurredOn);

-- The same as a view, over a table web_log of your own:
--
-- CREATE VIEW StorefrontEvent AS
-- SELECT
--     md5(concat_ws('|', l.session_id, l.sequence))::uuid AS Id,
--     'product' AS Type, 'detail' AS Action, l.logged_at AS OccurredOn,
--     l.user_profile_id AS UserProfileId, NULL::text AS Email, l.odp_cookie AS Vuid,
--     l.product_id::text AS ProductId, NULL::text AS SearchTerm, l.url AS Page, NULL::text AS Category,
--     NULL::uuid AS CustomerId, NULL::uuid AS WebsiteId
-- FROM web_log l
-- WHERE l.kind = 'product page';
