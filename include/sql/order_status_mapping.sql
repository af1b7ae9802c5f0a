-- One row per status for which Commerce's Order Status Mapping page has an entry. Key: id.
-- Source: OrderStatusMapping. odp_action_type is what was chosen under "ODP Action Type": Purchase, Cancel or nothing.
-- Read beside orders.sql and without parameters, to tell which orders are sent and as what. A replica without the table
-- is fine: the built-in defaults then apply.

SELECT
    m.Id AS id,
    btrim(m.ErpOrderStatus) AS erp_order_status,
    btrim(m.OdpActionType) AS odp_action_type
FROM OrderStatusMapping m
ORDER BY lower(btrim(m.ErpOrderStatus)), m.Id
