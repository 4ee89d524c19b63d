// Types of /sdk/v1/offers.js.

export interface Decision {
  /** Names the decision in reports; null where the service made none. */
  decision_id: string | null;
  experiment: string;
  /** What to show; "nothing" means just that. */
  arm: string;
  /** The offer's data, never HTML; null for nothing. */
  offer: Offer | null;
  reason: Reason;
  propensity?: number;
  pmf?: Record<string, number>;
  model_version?: number | null;
  model_versions?: number[];
  /** Until when outcomes count and `last` finds the decision (ISO 8601). */
  expires_at?: string;
}

/**
 * The service's reasons, and the page's own: no answer in time; no answer at all, or three failures
 * before; a request that the service did not take; no decision that `last` could find.
 */
export type Reason =
  | "policy" | "uniform" | "holdout" | "fallback" | "draft" | "paused" | "stopped"
  | "timeout" | "unavailable" | "refused" | "none";

/** What `render` understands; an experiment's offers may hold more. */
export interface Offer {
  title?: string;
  text?: string;
  price?: number;
  currency?: string;
  /** https:, or an address of the page's own origin; others are left out. */
  url?: string;
  image?: string;
  [name: string]: unknown;
}

/** An array is a set, such as the SKUs in a cart. Null and undefined mean that the field is absent. */
export type Context = Record<string, string | number | boolean | readonly string[] | null | undefined>;

export interface Settings {
  /** Address of the decision service, such as https://decisions.shop.example. */
  service: string;
  /** A publishable key, pk_… */
  key: string;
  /** Whether the shopper agreed; undefined: not known yet. Without it nothing is stored. */
  consent?: boolean;
  /** Milliseconds that a decision may take; 300 if not given. */
  timeout?: number;
  /** The shopper's own id, used with consent only. Without it a random one is made. */
  unitId?: string;
}

export interface Question {
  /** What the experiment declares and names nobody. Always sent. */
  context?: Context;
  /** What may say something about the person. Sent with consent only. */
  personalContext?: Context;
  /** With consent: the same key returns the same decision. The order's id, say. */
  requestKey?: string;
  unitId?: string;
  eligibleArms?: string[];
  excludedArms?: string[];
  /** Arms that this page brings, for an experiment with arms_from = "request"; up to 100. */
  arms?: Arm[];
  timeout?: number;
}

export interface Arm {
  key: string;
  /** What the model may know of it. */
  features?: Record<string, string | number | boolean>;
  /** Handed back if the arm is shown. */
  offer?: Offer;
}

export interface Outcome {
  amount?: number;
  /** ISO 4217, such as "GBP". */
  currency?: string;
  /** A repeated id counts once. Random if not given. */
  eventId?: string;
}

export interface Handlers {
  accept?(decision: Decision, event: MouseEvent): void;
  dismiss?(decision: Decision, event: MouseEvent): void;
  acceptLabel?: string;
  dismissLabel?: string;
}

/**
 * None of these throws, and none of the promises rejects. Write `window.offers` in
 * full if the page has an element or a constant named `offers`.
 */
export interface Offers {
  (command: "init", settings: Settings): Promise<void>;
  /** True: may store and send personal context. False: deletes what was stored. */
  (command: "consent", given: boolean): Promise<void>;
  (command: "decide", experiment: string, question?: Question): Promise<Decision>;
  /** The session's last decision of an experiment, until it expires. */
  (command: "last", experiment: string): Promise<Decision>;
  /** Shows the offer in a slot, or leaves the slot empty; either way watches it. Returns the element. */
  (command: "render", slot: string | Element, decision: Decision, handlers?: Handlers): Promise<Element | null>;
  /** For offers drawn by the shop: activates the decision when the slot's beginning comes into view. */
  (command: "watch", slot: Element, decision: Decision): Promise<void>;
  /** Activates by hand. Call it for "nothing" exactly where an offer would have been shown. */
  (command: "shown", decision: Decision): Promise<void>;
  (command: "track", decision: Decision, type: string, outcome?: Outcome): Promise<void>;
  readonly version: string;
}

declare global {
  interface Window {
    offers: Offers;
  }
  const offers: Offers;
}
