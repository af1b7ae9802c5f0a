-- Mode A of custom properties, as SQL: how much, and when last, each customer has ordered. To use it:
--
--     {"exports": {"customer_odp_export": {"custom": {"preload": "customers.sql"}}}}
--
-- The first column is Commerce's id of the entity, here Customer.Id; each other column becomes a field of its name and type. One
-- row per entity, and none for an entity without values. Placeholders, written as below: ids, the entities that are asked about
-- (uuid[]); from and to, the run's window of ModifiedOn (-infinity and infinity where it is open); as_of, the run's "now". The
-- query runs in the snapshot in which the customers were read. Write a percent sign twice, in comments, too.
--
-- An order does not touch its customer, so these values reach ODP when the customer is modified next, or by odp_consistency with
-- Repair.

SELECT
    o.CustomerId AS customer_id,
    count(*) AS order_count,
    sum(o.OrderTotal) AS order_amount,
    max(o.OrderDate) AS last_order_at
FROM CustomerOrder o
WHERE o.CustomerId = ANY(%(ids)s::uuid[])
    AND o.OrderDate < %(as_of)s::timestamptz
    AND lower(btrim(o.Status)) NOT IN ('cart', 'saved', 'abandonedcart', 'cancelled', 'cancellationrequested')
GROUP BY o.CustomerId
