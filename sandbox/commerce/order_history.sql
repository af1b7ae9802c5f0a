-- The ERP's own view of every fifth of the orders %(first)s to %(past)s - 1 that it knows, and now and then one that never
-- was a web order. Filled last: it looks the orders and lines up by their indexes.

SET LOCAL random_page_cost = 1.1;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;

CREATE TEMPORARY TABLE draft_history ON COMMIT DROP AS
SELECT n, uid('OrderHistory', n::text) AS id, o.Id AS order_id, mod(n, 50) = 0 AS is_erp_only
FROM generate_series(%(first)s::bigint, %(past)s::bigint - 1) AS n
JOIN CustomerOrder AS o ON o.Id = uid('CustomerOrder', n::text)
WHERE mod(n, 5) = 0 AND o.ErpOrderNumber <> '';

INSERT INTO OrderHistoryLine (
    Id, OrderHistoryId, LineNumber, ReleaseNumber, ProductErpNumber, Description, QtyOrdered, QtyShipped, UnitOfMeasure,
    UnitNetPrice, UnitRegularPrice, UnitListPrice, TotalRegularPrice, TotalNetPrice, TotalDiscountAmount,
    CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    uid('OrderHistoryLine', d.n || '/' || l.Line), d.id, l.Line, 1, p.ErpNumber, l.Description, l.QtyOrdered, l.QtyOrdered,
    l.UnitOfMeasure, l.UnitNetPrice, l.UnitRegularPrice, l.UnitListPrice, regular_total, net_total,
    regular_total - net_total, l.CreatedOn, 'erp', l.ModifiedOn, 'erp'
FROM draft_history AS d
JOIN OrderLine AS l ON l.CustomerOrderId = d.order_id
JOIN Product AS p ON p.Id = l.ProductId
CROSS JOIN LATERAL (
    SELECT
        round(l.QtyOrdered * l.UnitRegularPrice, 2) AS regular_total,
        round(l.QtyOrdered * l.UnitNetPrice, 2) AS net_total
) AS v;

INSERT INTO OrderHistory (
    Id, ErpOrderNumber, WebOrderNumber, OrderDate, Status, CustomerNumber, CustomerSequence, CustomerPO, CurrencyCode, Terms,
    ShipCode, BtCompanyName, BtAddress1, BtCity, BtState, BtPostalCode, BtCountry, StCompanyName, StAddress1, StCity, StState,
    StPostalCode, StCountry, ProductTotal, OrderDiscountAmount, ShippingCharges, HandlingCharges, TaxAmount, OrderTotal,
    ConversionRate, IsGuestOrder, FulfillmentMethod, OrderSource, CreatedOn, CreatedBy, ModifiedOn, ModifiedBy
)
SELECT
    d.id, CASE WHEN d.is_erp_only THEN 'X' || d.n ELSE o.ErpOrderNumber END,
    CASE WHEN d.is_erp_only THEN '' ELSE o.OrderNumber END, o.OrderDate,
    CASE WHEN d.is_erp_only THEN 'Invoiced' ELSE o.Status END, o.CustomerNumber, o.CustomerSequence, o.CustomerPO,
    coalesce(c.CurrencyCode, ''), o.TermsCode, o.ShipCode, o.BtCompanyName, o.BtAddress1, o.BtCity, o.BtState, o.BtPostalCode,
    o.BtCountry, o.StCompanyName, o.StAddress1, o.StCity, o.StState, o.StPostalCode, o.StCountry, v.product_total,
    v.product_total + v.tax + o.ShippingCharges + coalesce(o.HandlingCharges, 0) - o.OrderTotal, o.ShippingCharges,
    coalesce(o.HandlingCharges, 0), v.tax, o.OrderTotal, 1, o.IsGuestOrder, o.FulfillmentMethod, o.OrderSource, o.CreatedOn,
    'erp', o.ModifiedOn, 'erp'
FROM draft_history AS d
JOIN CustomerOrder AS o ON o.Id = d.order_id
LEFT JOIN Currency AS c ON c.Id = o.CurrencyId
CROSS JOIN LATERAL (
    SELECT
        o.TaxAmount + o.StateTax + o.LocalTax AS tax,
        (SELECT coalesce(sum(l.TotalNetPrice), 0) FROM OrderHistoryLine AS l WHERE l.OrderHistoryId = d.id) AS product_total
    OFFSET 0
) AS v;
