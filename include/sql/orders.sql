-- One row per order, its lines in the arrays item_*. Key: order_id (OrderNumber).
-- Source: CustomerOrder and OrderLine, with CustomerOrderPromotion, UserProfile, Currency and Website.
-- Defects worked around: carts, quotes and saved lists share the table (order_status tells them apart: they are read
-- here and not sent), line totals that were never calculated are 0, lines emptied by the buyer stay with a quantity of
-- 0, and a person may be gone or a guest.
-- To change the export, edit the select list: a column's alias is the ODP field's name, and an alias that the standard
-- mapping lacks becomes a custom field of the order (ODP drops those of items). An order is also modified when its
-- lines, promotions or custom properties are.

WITH selected AS (
    SELECT o.Id
    FROM CustomerOrder o
    WHERE (
            %(everything)s
            OR (o.ModifiedOn >= %(window_start)s::timestamptz AND o.ModifiedOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR o.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND o.OrderNumber = ANY(%(numbers)s::text[]))
        )
        AND (%(all_websites)s OR o.WebsiteId = ANY(%(website_ids)s::uuid[]))
    UNION
    SELECT o.Id
    FROM CustomerOrder o
    WHERE o.Id IN (
            SELECT l.CustomerOrderId FROM OrderLine l
            WHERE l.ModifiedOn >= %(window_start)s::timestamptz AND l.ModifiedOn < %(window_end)s::timestamptz
            UNION
            SELECT cop.CustomerOrderId FROM CustomerOrderPromotion cop
            WHERE cop.ModifiedOn >= %(window_start)s::timestamptz AND cop.ModifiedOn < %(window_end)s::timestamptz
            UNION
            SELECT cp.ParentId FROM CustomProperty cp
            WHERE cp.ParentTable = 'CustomerOrder'
                AND cp.ModifiedOn >= %(window_start)s::timestamptz AND cp.ModifiedOn < %(window_end)s::timestamptz
        )
        AND NOT %(everything)s
        AND (
            %(all_ids)s
            OR o.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND o.OrderNumber = ANY(%(numbers)s::text[]))
        )
        AND (%(all_websites)s OR o.WebsiteId = ANY(%(website_ids)s::uuid[]))
),

-- The orders in another currency than the one of the setting convert_currency; none without it. No factor: no rate.
conversion AS (
    SELECT
        o.Id AS order_id,
        CASE WHEN %(convert_by)s = 'divide' THEN 1 / nullif(o.ConversionRate, 0) ELSE nullif(o.ConversionRate, 0) END AS factor
    FROM selected s
    JOIN CustomerOrder o ON o.Id = s.Id
    JOIN Currency currency ON currency.Id = o.CurrencyId
    WHERE %(convert_to)s <> '' AND upper(btrim(currency.CurrencyCode)) <> %(convert_to)s
),

-- Per line: the net total that was charged and the regular total before discounts.
line AS (
    SELECT
        l.CustomerOrderId AS order_id,
        l.Line AS line,
        l.Release AS release,
        l.Id AS id,
        l.ProductId AS product_id,
        l.QtyOrdered AS quantity,
        nullif(l.UnitRegularPrice, 0) AS regular_price,
        coalesce(nullif(l.UnitNetPrice, 0), l.UnitRegularPrice, l.UnitNetPrice) AS net_price,
        coalesce(
            nullif(l.TotalNetPrice, 0),
            l.QtyOrdered * l.UnitNetPrice,
            l.TotalNetPrice,
            l.QtyOrdered * l.UnitRegularPrice
        ) AS subtotal,
        coalesce(nullif(l.TotalRegularPrice, 0), l.QtyOrdered * l.UnitRegularPrice) AS regular_total
    FROM selected s
    JOIN OrderLine l ON l.CustomerOrderId = s.Id
    WHERE l.QtyOrdered <> 0
),

-- price * quantity - discount = subtotal: the regular price and what was taken off it; where there is no regular price,
-- or more than that was charged, the net price.
item AS (
    SELECT
        line.order_id,
        line.line,
        line.release,
        line.id,
        line.product_id,
        line.quantity,
        line.subtotal,
        CASE WHEN line.regular_total >= line.subtotal THEN coalesce(line.regular_price, line.net_price)
            ELSE line.net_price END AS price,
        CASE WHEN line.regular_price IS NOT NULL AND line.regular_total >= line.subtotal
            THEN line.regular_total - line.subtotal
            ELSE greatest(line.quantity * line.net_price - line.subtotal, 0) END AS discount
    FROM line
),

-- In the currency that is sent.
sent_item AS (
    SELECT
        item.order_id,
        item.line,
        item.release,
        item.id,
        item.product_id,
        item.quantity,
        CASE WHEN %(convert_to)s = '' THEN item.price
            ELSE coalesce(round(item.price * conversion.factor, 5), item.price) END AS price,
        CASE WHEN %(convert_to)s = '' THEN item.discount
            ELSE coalesce(round(item.discount * conversion.factor, 5), item.discount) END AS discount,
        CASE WHEN %(convert_to)s = '' THEN item.subtotal
            ELSE coalesce(round(item.subtotal * conversion.factor, 5), item.subtotal) END AS subtotal
    FROM item
    LEFT JOIN conversion ON conversion.order_id = item.order_id
),

items AS (
    SELECT
        item.order_id,
        array_agg(item.product_id ORDER BY item.line, item.release, item.id) AS product_id,
        array_agg(item.price ORDER BY item.line, item.release, item.id) AS price,
        array_agg(item.quantity ORDER BY item.line, item.release, item.id) AS quantity,
        array_agg(item.discount ORDER BY item.line, item.release, item.id) AS discount,
        array_agg(item.subtotal ORDER BY item.line, item.release, item.id) AS subtotal,
        sum(item.subtotal) AS order_subtotal
    FROM sent_item item
    GROUP BY item.order_id
),

order_discount AS (
    SELECT cop.CustomerOrderId AS order_id, sum(cop.Amount::numeric) AS amount
    FROM selected s
    JOIN CustomerOrderPromotion cop ON cop.CustomerOrderId = s.Id
    WHERE cop.OrderLineId IS NULL
    GROUP BY cop.CustomerOrderId
)

SELECT
    o.Id AS entity_id,
    o.OrderNumber AS order_id,
    o.Status AS order_status,
    o.OrderDate AS purchased_at,
    coalesce(o.ModifiedOn, o.OrderDate) AS cancelled_at,
    CASE
        WHEN %(email_mode)s <> 'unique' THEN NULL
        WHEN placed.Id IS NOT NULL THEN lower(btrim(placed.Email))
        WHEN initiated.Id IS NOT NULL THEN lower(btrim(initiated.Email))
        ELSE lower(coalesce(nullif(btrim(o.BTEmail), ''), btrim(o.STEmail)))
    END AS identifier_email,
    coalesce(placed.Id, initiated.Id) AS identifier_business_user_id,
    coalesce(round(o.OrderTotal * conversion.factor, 5), o.OrderTotal) AS total,
    -- 0 says that there was none; without any promotion in the whole replica nothing is known, and nothing said.
    CASE WHEN EXISTS (SELECT 1 FROM CustomerOrderPromotion)
        THEN coalesce(round(order_discount.amount * conversion.factor, 5), order_discount.amount, 0) END AS discount,
    items.order_subtotal AS subtotal,
    coalesce(round(charged.tax * conversion.factor, 5), charged.tax) AS tax,
    coalesce(round(charged.shipping * conversion.factor, 5), charged.shipping) AS shipping,
    -- Commerce's tables name no coupon code of an order. With a column that does: o.YourColumn AS coupon_code,
    o.BTFirstName AS first_name,
    o.BTLastName AS last_name,
    o.BTEmail AS email,
    o.BTPhone AS phone,
    concat_ws(', ',
        nullif(btrim(o.BTAddress1), ''), nullif(btrim(o.BTAddress2), ''),
        nullif(btrim(o.BTAddress3), ''), nullif(btrim(o.BTAddress4), ''),
        nullif(btrim(o.BTCity), ''), nullif(btrim(o.BTState), ''),
        nullif(btrim(o.BTPostalCode), ''), nullif(btrim(o.BTCountry), '')
    ) AS bill_address,
    concat_ws(', ',
        nullif(btrim(o.STAddress1), ''), nullif(btrim(o.STAddress2), ''),
        nullif(btrim(o.STAddress3), ''), nullif(btrim(o.STAddress4), ''),
        nullif(btrim(o.STCity), ''), nullif(btrim(o.STState), ''),
        nullif(btrim(o.STPostalCode), ''), nullif(btrim(o.STCountry), '')
    ) AS ship_address,
    o.Status AS commerce_status,
    o.ErpOrderNumber AS erp_order_number,
    o.CustomerPO AS customer_po,
    o.FulfillmentMethod AS fulfillment_method,
    o.OrderSource AS order_source,
    o.OrderDeviceType AS order_device_type,
    o.IsGuestOrder AS is_guest_order,
    CASE WHEN conversion.factor IS NULL THEN currency.CurrencyCode ELSE %(convert_to)s END AS currency,
    -- Sent with the setting convert_currency only.
    currency.CurrencyCode AS original_currency,
    o.ConversionRate AS conversion_rate,
    o.CustomerId AS business_id,
    o.ShipToId AS ship_to_business_id,
    o.DefaultWarehouseId AS warehouse_id,
    website.Name AS website,
    items.product_id AS item_product_id,
    items.price AS item_price,
    items.quantity AS item_quantity,
    items.discount AS item_discount,
    items.subtotal AS item_subtotal,
    CASE WHEN conversion.order_id IS NOT NULL AND conversion.factor IS NULL
        THEN 'no ConversionRate from ' || btrim(currency.CurrencyCode) END AS skip_reason
FROM selected s
JOIN CustomerOrder o ON o.Id = s.Id
CROSS JOIN LATERAL (
    SELECT
        coalesce(nullif(o.TaxAmount, 0), o.StateTax + o.LocalTax, o.StateTax, o.LocalTax, o.TaxAmount) AS tax,
        coalesce(o.ShippingCharges + o.HandlingCharges, o.ShippingCharges, o.HandlingCharges) AS shipping
) AS charged
LEFT JOIN items ON items.order_id = o.Id
LEFT JOIN conversion ON conversion.order_id = o.Id
LEFT JOIN order_discount ON order_discount.order_id = o.Id
LEFT JOIN UserProfile placed ON placed.Id = o.PlacedByUserProfileId AND placed.IsGuest IS NOT TRUE
LEFT JOIN UserProfile initiated ON initiated.Id = o.InitiatedByUserProfileId AND initiated.IsGuest IS NOT TRUE
LEFT JOIN Currency currency ON currency.Id = o.CurrencyId
LEFT JOIN Website website ON website.Id = o.WebsiteId
ORDER BY o.ModifiedOn NULLS FIRST, o.Id
