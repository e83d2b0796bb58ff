//! Several Steadfasts in front of one set, one of them started in the middle of a failover.
