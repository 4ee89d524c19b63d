// How a shop written in TypeScript uses the script; test_sdk_types.py compiles it.
import type { Context, Decision, Handlers, Offers, Reason } from "../../bandit_platform/web/sdk/offers";

async function thankYou(order: { id: string; value: number; country?: string; skus: readonly string[] }): Promise<void> {
  offers("init", { service: "https://decisions.shop.example", key: "pk_x", consent: true, timeout: 250 });
  const context: Context = { order_value: order.value, returning: false, cart_skus: order.skus, country: order.country ?? null };
  const decision: Decision = await offers("decide", "thank-you-page", {
    context,
    personalContext: order.country ? { country: order.country } : undefined,
    requestKey: order.id,
    excludedArms: ["parking"],
  });
  const handlers: Handlers = { accept: (taken, click) => click.preventDefault(), dismissLabel: "Not now" };
  const drawn: Element | null = await offers("render", "#offer", decision, handlers);
  if (drawn === null && decision.offer) {
    const { title = decision.arm, price } = decision.offer;
    document.title = `${title} ${price?.toFixed(2) ?? ""}`;
    await offers("watch", document.body, decision);
  }
  await offers("track", decision, "purchase", { amount: 14, currency: "GBP", eventId: order.id });
  const earlier = await window.offers("last", "thank-you-page");
  const why: Reason = earlier.reason;
  if (why === "draft" || why === "none") return;
  await offers("shown", earlier);
  await offers("consent", false);
}

const same: Offers = window.offers;
same.version.toUpperCase();
thankYou({ id: "order-8841", value: 82.5, skus: ["MUG-1", "PEN-2"] });

// What the compiler must refuse; it complains of each of these lines that it would let pass.
// @ts-expect-error the key is missing
offers("init", { service: "https://decisions.shop.example" });
// @ts-expect-error no such command
offers("show", "#offer");
// @ts-expect-error values are texts, numbers, booleans and lists of texts
offers("decide", "thank-you-page", { context: { items: [1, 2] } });
// @ts-expect-error an event has a type
offers("last", "thank-you-page").then((decision) => offers("track", decision));
// @ts-expect-error amounts are numbers
offers("last", "thank-you-page").then((decision) => offers("track", decision, "purchase", { amount: "14" }));
// @ts-expect-error nothing has no offer to read from
offers("last", "thank-you-page").then((decision) => decision.offer.title);
// @ts-expect-error the version is told, not set
offers.version = "2";
