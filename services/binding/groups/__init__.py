"""Groups and rooms the account is in; never counted as friends."""
