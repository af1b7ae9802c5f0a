-- What the bulk statements draw from, in a schema of its own that is dropped at the end.
--
-- Nothing here is random: every value is a hash of a row's number, a salt that tells columns apart, and the seed.

CREATE FUNCTION this_moment() RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN %(now)s::timestamptz;

CREATE FUNCTION customer_count() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN %(customers)s::bigint;

CREATE FUNCTION product_count() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN %(products)s::bigint;

-- A number from 0 to below - 1.
CREATE FUNCTION draw(n bigint, salt integer, below integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN mod(hashint8extended(n, %(seed)s::bigint * 1000 + salt) & 9223372036854775807, below)::integer;

-- A fraction between 0 and 1.
CREATE FUNCTION fraction(n bigint, salt integer) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(n, %(seed)s::bigint * 1000 + salt) & 4503599627370495)::double precision / 4503599627370496;

-- One of a list.
CREATE FUNCTION pick(choices text[], n bigint, salt integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN choices[1 + draw(n, salt, cardinality(choices))];

-- The Id of an entity; sandbox.commerce.reference_rows.uid computes the same.
CREATE FUNCTION uid(entity text, key text) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5(%(seed)s::text || '/' || entity || '/' || key)::uuid;

-- A ModifiedOn within the last 30 days. One in 500 lies exactly on midnight, where windows begin and end.
CREATE FUNCTION changed_at(n bigint, salt integer) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
    WHEN mod(n, 500) = 1 THEN date_trunc('day', this_moment() - interval '1 second', 'UTC')
        - interval '1 day' * draw(n, salt, 29)
    ELSE this_moment() - interval '1 second' - interval '2591999 seconds' * fraction(n, salt)
END;

-- Text as people and imports really leave it: with blanks around it, tabs, line breaks, quotes, backslashes, emoji.
CREATE FUNCTION as_typed(value text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value = '' THEN value
    WHEN mod(n, 41) = 7 THEN '  ' || value || ' '
    WHEN mod(n, 43) = 8 THEN value || E'\t"A", \\B\\ ''C'''
    WHEN mod(n, 47) = 9 THEN value || E'\nline 2\r\n\\.'
    WHEN mod(n, 53) = 10 THEN value || U&' \+01F527 \00BD \00B5m \65E5\672C'
    WHEN mod(n, 59) = 11 THEN U&'\00A0' || value || U&'\200B'
    ELSE value
END;

-- The e-mail address of a person, by the number of the profile; unique.
CREATE FUNCTION email_of(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pick(first_name_slugs(), n, 1) || '.' || pick(last_name_slugs(), n, 2) || n
    || '@' || pick(company_slugs(), n / 4, 10) || '.example.com';

-- Accounts come in fours: a bill-to and three ship-tos. Every twentieth four are guests instead, each on its own. The
-- last two rows stay ordinary, because their ParentIds form a circle.
CREATE FUNCTION is_guest_account(n bigint) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN mod(n / 4, 20) = 19 AND n < customer_count() - 2;

-- The account that a person buys for: the bill-to of its four, or the guest itself.
CREATE FUNCTION account_of(n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN is_guest_account(n) THEN n ELSE n / 4 * 4 END;
