-- Keys and indexes of the orders and of what is filled along with them.

ALTER TABLE OrderLine ADD PRIMARY KEY (Id);
ALTER TABLE CustomerOrder ADD PRIMARY KEY (Id);
CREATE INDEX ON OrderLine (CustomerOrderId);
CREATE INDEX ON CustomerOrder (ModifiedOn, Id);
CREATE INDEX ON OrderLine (ModifiedOn);
CREATE INDEX ON CustomerOrder (OrderNumber);
CREATE INDEX ON CustomerOrder (OrderDate);
CREATE INDEX ON CustomerOrder (CustomerId);
CREATE INDEX ON CustomerOrder (PlacedByUserProfileId);

ALTER TABLE CustomerOrderPromotion ADD PRIMARY KEY (Id);
ALTER TABLE CustomProperty ADD PRIMARY KEY (Id);
CREATE INDEX ON CustomerOrderPromotion (CustomerOrderId);
CREATE INDEX ON CustomerOrderPromotion (ModifiedOn);
CREATE INDEX ON CustomProperty (ParentTable, ParentId, Name);
CREATE INDEX ON CustomProperty (ParentTable, ModifiedOn);
