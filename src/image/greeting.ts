/** What both sides of an exchange (`exchange.ts`) say first. Apart from it: who only listens for it loads nothing else. */
export const EXCHANGE_GREETING = "proa image exchange 1";
