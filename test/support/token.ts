/** Every process and server that a test starts shares this token. */
process.env.EVENKEEL_TOKEN = "token-of-the-tests-0123456789";
