-- One row per order of the ERP that CustomerOrder does not have, such as an order by phone: the second source of orders
-- (setting order_history). Key: order_id (WebOrderNumber, else ErpOrderNumber).
-- Source: OrderHistory and OrderHistoryLine, with CustomerOrder, Customer, CustomerUserProfile, UserProfile and Product.
-- Defects worked around: OrderHistory names no person (an account's only user, else the account's address), no product
-- (by its ERP number, else that number), and no website; lines of text have no product.
-- To change the export, edit the select list: its columns are those of orders.sql, and a column that is left out is empty.
-- An order is also modified when its lines are.

WITH selected AS (
    SELECT oh.Id
    FROM OrderHistory oh
    WHERE (
            %(everything)s
            OR (oh.ModifiedOn >= %(window_start)s::timestamptz AND oh.ModifiedOn < %(window_end)s::timestamptz)
        )
        AND (
            %(all_ids)s
            OR oh.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND (
                oh.WebOrderNumber = ANY(%(numbers)s::text[]) OR oh.ErpOrderNumber = ANY(%(numbers)s::text[])
            ))
        )
    UNION
    SELECT oh.Id
    FROM OrderHistory oh
    WHERE oh.Id IN (
            SELECT ohl.OrderHistoryId FROM OrderHistoryLine ohl
            WHERE ohl.ModifiedOn >= %(window_start)s::timestamptz AND ohl.ModifiedOn < %(window_end)s::timestamptz
        )
        AND NOT %(everything)s
        AND (
            %(all_ids)s
            OR oh.Id = ANY(%(ids)s::uuid[])
            OR (cardinality(%(numbers)s::text[]) > 0 AND (
                oh.WebOrderNumber = ANY(%(numbers)s::text[]) OR oh.ErpOrderNumber = ANY(%(numbers)s::text[])
            ))
        )
),

-- What CustomerOrder has under its web or its ERP number is sent from there.
header AS (
    SELECT
        oh.Id AS id,
        coalesce(nullif(btrim(oh.WebOrderNumber), ''), nullif(btrim(oh.ErpOrderNumber), '')) AS number
    FROM selected s
    JOIN OrderHistory oh ON oh.Id = s.Id
    WHERE NOT EXISTS (
            SELECT 1 FROM CustomerOrder o WHERE o.OrderNumber = btrim(oh.WebOrderNumber) AND o.OrderNumber <> ''
        )
        AND NOT EXISTS (
            SELECT 1 FROM CustomerOrder o WHERE o.ErpOrderNumber = btrim(oh.ErpOrderNumber) AND o.ErpOrderNumber <> ''
        )
),

conversion AS (
    SELECT
        oh.Id AS order_id,
        CASE WHEN %(convert_by)s = 'divide' THEN 1 / nullif(oh.ConversionRate, 0)::numeric
            ELSE nullif(oh.ConversionRate, 0)::numeric END AS factor
    FROM header
    JOIN OrderHistory oh ON oh.Id = header.id
    WHERE %(convert_to)s <> '' AND upper(btrim(oh.CurrencyCode)) <> %(convert_to)s AND btrim(oh.CurrencyCode) <> ''
),

known_product AS (
    SELECT DISTINCT ON (p.ErpNumber) p.ErpNumber AS number, p.Id AS id
    FROM Product p
    WHERE p.ErpNumber IN (SELECT ohl.ProductErpNumber FROM header JOIN OrderHistoryLine ohl ON ohl.OrderHistoryId = header.id)
    ORDER BY p.ErpNumber, p.Id
),

-- Per line: the net total that was charged and the regular total before discounts.
line AS (
    SELECT
        ohl.OrderHistoryId AS order_id,
        ohl.LineNumber AS line,
        ohl.ReleaseNumber AS release,
        ohl.Id AS id,
        coalesce(known_product.id::text, btrim(ohl.ProductErpNumber)) AS product_id,
        ohl.QtyOrdered AS quantity,
        nullif(ohl.UnitRegularPrice, 0) AS regular_price,
        coalesce(nullif(ohl.UnitNetPrice, 0), ohl.UnitRegularPrice, ohl.UnitNetPrice) AS net_price,
        coalesce(
            nullif(ohl.TotalNetPrice, 0),
            ohl.QtyOrdered * ohl.UnitNetPrice,
            ohl.TotalNetPrice,
            ohl.QtyOrdered * ohl.UnitRegularPrice
        ) AS subtotal,
        coalesce(nullif(ohl.TotalRegularPrice, 0), ohl.QtyOrdered * ohl.UnitRegularPrice) AS regular_total
    FROM header
    JOIN OrderHistoryLine ohl ON ohl.OrderHistoryId = header.id
    LEFT JOIN known_product ON known_product.number = ohl.ProductErpNumber
    WHERE ohl.QtyOrdered <> 0 AND btrim(ohl.ProductErpNumber) <> ''
),

item AS (
    SELECT
        line.*,
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

-- The account by its number: without a sequence the bill-to, with one the ship-to.
account AS (
    SELECT DISTINCT ON (c.CustomerNumber, coalesce(c.CustomerSequence, ''))
        c.CustomerNumber AS number,
        coalesce(c.CustomerSequence, '') AS sequence,
        c.Id AS id,
        nullif(lower(btrim(c.Email)), '') AS email
    FROM Customer c
    WHERE c.CustomerNumber IN (SELECT oh.CustomerNumber FROM header JOIN OrderHistory oh ON oh.Id = header.id)
        AND c.CustomerNumber <> ''
        AND c.IsGuest IS NOT TRUE
    ORDER BY c.CustomerNumber, coalesce(c.CustomerSequence, ''), c.Id
),

-- The person of an account that only one person may buy for.
buyer AS (
    SELECT
        cup.CustomerId AS account_id,
        (array_agg(u.Id))[1] AS id,
        nullif(min(lower(btrim(u.Email))), '') AS email
    FROM account
    JOIN CustomerUserProfile cup ON cup.CustomerId = account.id
    JOIN UserProfile u ON u.Id = cup.UserProfileId AND u.IsGuest IS NOT TRUE
    GROUP BY cup.CustomerId
    HAVING count(DISTINCT u.Id) = 1
)

SELECT
    oh.Id AS entity_id,
    header.number AS order_id,
    oh.Status AS order_status,
    oh.OrderDate AS purchased_at,
    coalesce(oh.ModifiedOn, oh.OrderDate) AS cancelled_at,
    CASE WHEN %(email_mode)s = 'unique' THEN
        CASE WHEN coalesce(of_bill_to.id, of_ship_to.id) IS NOT NULL THEN coalesce(of_bill_to.email, of_ship_to.email)
            ELSE coalesce(bill_to.email, ship_to.email) END
    END AS identifier_email,
    coalesce(of_bill_to.id, of_ship_to.id) AS identifier_business_user_id,
    coalesce(round(oh.OrderTotal * conversion.factor, 5), oh.OrderTotal) AS total,
    coalesce(round(oh.OrderDiscountAmount * conversion.factor, 5), oh.OrderDiscountAmount) AS discount,
    coalesce(items.order_subtotal, round(oh.ProductTotal * conversion.factor, 5), oh.ProductTotal) AS subtotal,
    coalesce(round(oh.TaxAmount * conversion.factor, 5), oh.TaxAmount) AS tax,
    coalesce(round(charged.shipping * conversion.factor, 5), charged.shipping) AS shipping,
    concat_ws(', ',
        nullif(btrim(oh.BTAddress1), ''), nullif(btrim(oh.BTAddress2), ''),
        nullif(btrim(oh.BTAddress3), ''), nullif(btrim(oh.BTAddress4), ''),
        nullif(btrim(oh.BTCity), ''), nullif(btrim(oh.BTState), ''),
        nullif(btrim(oh.BTPostalCode), ''), nullif(btrim(oh.BTCountry), '')
    ) AS bill_address,
    concat_ws(', ',
        nullif(btrim(oh.STAddress1), ''), nullif(btrim(oh.STAddress2), ''),
        nullif(btrim(oh.STAddress3), ''), nullif(btrim(oh.STAddress4), ''),
        nullif(btrim(oh.STCity), ''), nullif(btrim(oh.STState), ''),
        nullif(btrim(oh.STPostalCode), ''), nullif(btrim(oh.STCountry), '')
    ) AS ship_address,
    oh.Status AS commerce_status,
    oh.ErpOrderNumber AS erp_order_number,
    oh.CustomerPO AS customer_po,
    oh.FulfillmentMethod AS fulfillment_method,
    oh.OrderSource AS order_source,
    oh.OrderDeviceType AS order_device_type,
    oh.IsGuestOrder AS is_guest_order,
    CASE WHEN conversion.factor IS NULL THEN oh.CurrencyCode ELSE %(convert_to)s END AS currency,
    -- Sent with the setting convert_currency only.
    oh.CurrencyCode AS original_currency,
    oh.ConversionRate AS conversion_rate,
    coalesce(bill_to.id, ship_to.id) AS business_id,
    ship_to.id AS ship_to_business_id,
    items.product_id AS item_product_id,
    items.price AS item_price,
    items.quantity AS item_quantity,
    items.discount AS item_discount,
    items.subtotal AS item_subtotal,
    CASE
        WHEN conversion.order_id IS NOT NULL AND conversion.factor IS NULL
            THEN 'no ConversionRate from ' || btrim(oh.CurrencyCode)
        WHEN taken.OrderNumber IS NOT NULL THEN 'its ERP number is the number of another order'
    END AS skip_reason
FROM header
JOIN OrderHistory oh ON oh.Id = header.id
CROSS JOIN LATERAL (
    SELECT coalesce(oh.ShippingCharges + oh.HandlingCharges, oh.ShippingCharges, oh.HandlingCharges) AS shipping
) AS charged
LEFT JOIN items ON items.order_id = oh.Id
LEFT JOIN conversion ON conversion.order_id = oh.Id
LEFT JOIN account bill_to ON bill_to.number = oh.CustomerNumber AND bill_to.sequence = ''
LEFT JOIN account ship_to ON ship_to.number = oh.CustomerNumber AND ship_to.sequence = coalesce(oh.CustomerSequence, '')
LEFT JOIN buyer of_bill_to ON of_bill_to.account_id = bill_to.id
LEFT JOIN buyer of_ship_to ON of_ship_to.account_id = ship_to.id
LEFT JOIN (
    SELECT DISTINCT o.OrderNumber FROM CustomerOrder o WHERE o.OrderNumber IN (SELECT header.number FROM header)
) AS taken
    ON taken.OrderNumber = header.number
ORDER BY oh.ModifiedOn NULLS FIRST, oh.Id
