package localapi_test

// parts are what this test binary is when a test starts it again.
var parts = map[string]func() error{}
