-- Folded views over a replica that kept Commerce's PascalCase names ("CustomerOrder"."ModifiedOn"), which the mapping
-- files beside this one do not quote. A replica with lower-case names needs nothing of this.
-- Creates the schema commerce_folded with one view for each table the exports read, its name and columns in lower case.
-- Run it once with any client, as a role that may read the tables and create schemas, and again when a table gained
-- columns; on a physical standby, run it on the primary. Then let the role of the exports read the views, and put the
-- schema first in the search_path of the connection, in its extra: {"options": "-c search_path=commerce_folded"}
--
--   GRANT USAGE ON SCHEMA commerce_folded TO exports;
--   GRANT SELECT ON ALL TABLES IN SCHEMA commerce_folded TO exports;

-- The schema of the tables is dbo. To name another one, remove the dashes of the next line.
-- SET odp.source_schema = 'my_schema';

DO $script$
DECLARE
    source_schema constant text := coalesce(nullif(current_setting('odp.source_schema', true), ''), 'dbo');
    -- A table of your own that a mapping file reads belongs here, too.
    tables constant text[] := ARRAY[
        'Product', 'Warehouse', 'Customer', 'UserProfile', 'CustomerUserProfile', 'CustomerOrder', 'OrderLine',
        'OrderHistory', 'OrderHistoryLine',
        'OrderStatusMapping', 'CustomerOrderPromotion', 'Brand', 'ProductLine', 'Vendor', 'Category', 'CategoryProduct',
        'ProductImage', 'ProductWarehouse', 'Website', 'UserProfileWebsite',
        'Country', 'State', 'Currency', 'Language', 'CustomProperty', 'StorefrontEvent'
    ];
    source record;
    selected text;
    created integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = source_schema) THEN
        RAISE EXCEPTION 'Schema % does not exist. Name the schema of the Commerce tables: SET odp.source_schema = ''...''',
            source_schema;
    END IF;
    CREATE SCHEMA IF NOT EXISTS commerce_folded;
    FOR source IN
        SELECT DISTINCT ON (lower(c.relname)) c.oid, c.relname
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = source_schema
            AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
            AND lower(c.relname) = ANY(SELECT lower(t.name) FROM unnest(tables) AS t (name))
        ORDER BY lower(c.relname), c.relname COLLATE "C"
    LOOP
        SELECT string_agg(format('t.%I AS %I', a.attname, lower(a.attname)), ', ' ORDER BY a.attnum)
        INTO selected
        FROM (
            SELECT DISTINCT ON (lower(column_of.attname)) column_of.attname, column_of.attnum
            FROM pg_attribute column_of
            WHERE column_of.attrelid = source.oid AND column_of.attnum > 0 AND NOT column_of.attisdropped
            ORDER BY lower(column_of.attname), column_of.attnum
        ) AS a;
        BEGIN
            EXECUTE format('CREATE OR REPLACE VIEW commerce_folded.%I AS SELECT %s FROM %I.%I t',
                lower(source.relname), selected, source_schema, source.relname);
        EXCEPTION WHEN invalid_table_definition THEN
            -- The table lost a column or changed a type: the view is made anew, and has to be granted again.
            EXECUTE format('DROP VIEW commerce_folded.%I', lower(source.relname));
            EXECUTE format('CREATE VIEW commerce_folded.%I AS SELECT %s FROM %I.%I t',
                lower(source.relname), selected, source_schema, source.relname);
        END;
        created := created + 1;
    END LOOP;
    IF created = 0 THEN
        RAISE EXCEPTION 'Schema % holds no Commerce table. Name the right one: SET odp.source_schema = ''...''',
            source_schema;
    END IF;
    RAISE NOTICE '% views in commerce_folded over schema %', created, source_schema;
END
$script$;
