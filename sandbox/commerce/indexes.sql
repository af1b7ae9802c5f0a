-- Keys and indexes of everything but the orders: built when the rows are in, before orders look them up.

ALTER TABLE Website ADD PRIMARY KEY (Id);
ALTER TABLE Language ADD PRIMARY KEY (Id);
ALTER TABLE Currency ADD PRIMARY KEY (Id);
ALTER TABLE Country ADD PRIMARY KEY (Id);
ALTER TABLE State ADD PRIMARY KEY (Id);
ALTER TABLE Brand ADD PRIMARY KEY (Id);
ALTER TABLE ProductLine ADD PRIMARY KEY (Id);
ALTER TABLE Vendor ADD PRIMARY KEY (Id);
ALTER TABLE Category ADD PRIMARY KEY (Id);
ALTER TABLE Warehouse ADD PRIMARY KEY (Id);
ALTER TABLE OrderStatusMapping ADD PRIMARY KEY (Id);
ALTER TABLE JobDefinition ADD PRIMARY KEY (Id);
ALTER TABLE JobDefinitionParameter ADD PRIMARY KEY (Id);
ALTER TABLE UserProfileWebsite ADD PRIMARY KEY (Id);
ALTER TABLE Product ADD PRIMARY KEY (Id);
ALTER TABLE ProductImage ADD PRIMARY KEY (Id);
ALTER TABLE ProductWarehouse ADD PRIMARY KEY (Id);
ALTER TABLE CategoryProduct ADD PRIMARY KEY (Id);
ALTER TABLE Customer ADD PRIMARY KEY (Id);
ALTER TABLE UserProfile ADD PRIMARY KEY (Id);
ALTER TABLE CustomerUserProfile ADD PRIMARY KEY (Id);

CREATE INDEX ON Warehouse (ModifiedOn, Id);
CREATE INDEX ON Product (ModifiedOn, Id);
CREATE INDEX ON Customer (ModifiedOn, Id);
CREATE INDEX ON UserProfile (ModifiedOn, Id);
CREATE INDEX ON CustomerUserProfile (ModifiedOn, Id);

CREATE INDEX ON Category (ParentId);
CREATE INDEX ON Product (ErpNumber);
CREATE INDEX ON Product (StyleParentId);
CREATE INDEX ON ProductImage (ProductId);
CREATE INDEX ON ProductImage (ModifiedOn);
CREATE INDEX ON CategoryProduct (ProductId);
CREATE INDEX ON CategoryProduct (CategoryId);
CREATE INDEX ON CategoryProduct (ModifiedOn);
CREATE INDEX ON ProductWarehouse (ProductId);
CREATE INDEX ON Customer (ParentId);
CREATE INDEX ON Customer (CustomerNumber, CustomerSequence);
CREATE INDEX ON UserProfile (UserName);
CREATE INDEX ON UserProfile (lower(btrim(Email)));
CREATE INDEX ON CustomerUserProfile (CustomerId);
CREATE INDEX ON CustomerUserProfile (UserProfileId);
CREATE INDEX ON UserProfileWebsite (UserProfileId);

-- Few rows, and filled after the orders.
ALTER TABLE OrderHistory ADD PRIMARY KEY (Id);
ALTER TABLE OrderHistoryLine ADD PRIMARY KEY (Id);
CREATE INDEX ON OrderHistory (ModifiedOn, Id);
CREATE INDEX ON OrderHistory (WebOrderNumber);
CREATE INDEX ON OrderHistoryLine (OrderHistoryId);
