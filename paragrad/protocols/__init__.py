"""The contracts between floors: plain data and Protocol classes, no behaviour of any domain."""
