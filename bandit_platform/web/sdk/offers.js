// bandit-platform offers.js VERSION
//
// Asks which offer a page should show, shows it, and reports what happens. Typed in offers.d.ts.
//
// What counts: every decision is asked for deferred and counts only once it is activated. The offer
// and `nothing` are activated by one rule: the answer came in time, was handed to its slot, and the
// place where the slot begins came into view, seen by an empty marker that stands there for either.
// Nobody can have seen or missed the offer before that moment, so being counted does not depend on
// what was drawn. Seconds of viewing would: who sees an offer stays longer or leaves sooner. They
// are reported as an event (`impression`: half of the offer in view for a second) and decide nothing.
//
// Nothing here throws into the page, rejects, blocks, evaluates text or writes HTML.
// Comment lines and indentation are left out when this file is served.
(function (w, d) {
  'use strict';
  // An element, a form or a frame called "offers" is found under that name as well.
  const stub = typeof w.offers === 'function' ? w.offers : 0;
  if (stub.version) return;

  const NAME = 'offers';
  const MOST_WAITING = 100;
  const PAUSE = 30000;
  const now = () => Date.now();
  const nav = w.navigator;

  // What lasts for the session, and is stored only where that is allowed.
  let state = { last: {}, queue: [], failures: 0, closed: 0 };
  let settings = {};
  let consent;
  let unit;
  let retry;
  let pause = 0;
  let sending = false;
  let most = 50;
  let leaving = false;

  const attempt = (action) => {
    try {
      return action();
    } catch (error) {
      // storage blocked or full, no such element, a shop's own handler: the page goes on
    }
  };

  const random = () => {
    const bytes = attempt(() => w.crypto.getRandomValues(new Uint8Array(16)));
    return Array.from(bytes || Array(16), (b) =>
      (bytes ? b : Math.random() * 256 | 0).toString(16).padStart(2, '0')).join('');
  };

  const allowed = () => consent === true && nav.globalPrivacyControl !== true;

  const save = () => allowed() && attempt(() =>
    w.sessionStorage.setItem(NAME, JSON.stringify(state)));

  const load = () => attempt(() => {
    const stored = JSON.parse(w.sessionStorage.getItem(NAME));
    const known = new Set(state.queue.map((item) => item.id));
    const more = stored.queue.filter((item) => (item.event || item.shown) && !known.has(item.id));
    state.queue = more.concat(state.queue);
    Object.keys(stored.last).forEach((key) => {
      const mine = state.last[key];
      if (!mine || mine.expires_at < stored.last[key].expires_at) state.last[key] = stored.last[key];
    });
    state.failures = Math.max(stored.failures, state.failures) || 0;
    state.closed = Math.max(stored.closed, state.closed) || 0;
  });

  const forget = () => {
    unit = undefined;
    state.last = {};
    attempt(() => w.sessionStorage.removeItem(NAME));
    attempt(() => w.localStorage.removeItem(NAME));
  };

  function ownUnit() {
    if (!unit && allowed()) unit = attempt(() => w.localStorage.getItem(NAME).match(/^[\da-f]{32}$/)[0]);
    if (!unit) unit = random();
    if (allowed()) attempt(() => w.localStorage.setItem(NAME, unit));
    return unit;
  }

  function setConsent(given) {
    const before = allowed();
    consent = given;
    if (allowed()) {
      if (!before) {
        unit = undefined;
        load();
      }
      save();
      send();
    } else if (given === false || nav.globalPrivacyControl === true) {
      forget();
    }
  }

  // A plain body and the key in the address need no question of the browser's in advance.
  const address = (path) => settings.service + '/v1/' + path + '?key=' + encodeURIComponent(settings.key);

  const post = (path, body, keepalive) => {
    const abort = w.AbortController && new AbortController();
    if (abort) setTimeout(() => abort.abort(), 10000);
    return w.fetch(address(path), {
      method: 'POST',
      body: JSON.stringify(body),
      credentials: 'omit',
      redirect: 'manual',
      referrerPolicy: 'no-referrer',
      signal: abort && abort.signal,
      keepalive,
    });
  };

  // What the service says; anything else says nothing about what was sent.
  const read = (answer) => answer.json().then((body) => body || 0, () => 0);

  const isLater = (answer) => /408|425|429|5../.test(answer.status);

  const isRefusal = (answer, body) => !isLater(answer) && /^urn:bandit-platform:/.test(body.type);

  const nothing = (experiment, reason) =>
    ({ decision_id: null, experiment, arm: 'nothing', offer: null, reason });

  function isOpen() {
    if (state.failures < 3) return true;
    const left = state.closed - now();
    if (left > 0 && left <= PAUSE) return false;
    state.closed = now() + PAUSE;
    save();
    return true;
  }

  function note(worked) {
    state.failures = worked ? 0 : state.failures + 1;
    state.closed = worked ? 0 : now() + PAUSE;
    save();
  }

  function question(o) {
    const may = allowed();
    return {
      unit_id: '' + (may && (o.unitId || settings.unitId) || ownUnit()),
      context: Object.assign({}, o.context, may && o.personalContext),
      request_key: may && o.requestKey ? '' + o.requestKey : null,
      eligible_arms: o.eligibleArms || null,
      excluded_arms: o.excludedArms || [],
      arms: o.arms,
      defer_activation: true,
    };
  }

  async function ask(experiment, o) {
    const path = 'experiments/' + encodeURIComponent(experiment) + '/decisions';
    const answer = await post(path, question(o), false);
    const body = await read(answer);
    if (answer.ok && typeof body.arm + typeof body.decision_id + typeof body.offer === 'stringstringobject') return body;
    return nothing(experiment, isRefusal(answer, body) ? 'refused' : '');
  }

  function decide(experiment, options, begun) {
    const o = options || {};
    const wait = o.timeout || settings.timeout || 300;
    const left = begun + wait - now();
    return new Promise((resolve) => {
      if (left <= 0) return resolve(nothing(experiment, 'timeout'));
      if (!settings.service || !isOpen()) return resolve(nothing(experiment, 'unavailable'));
      let over = false;
      const giveUp = () => {
        if (over) return;
        over = true;
        note(false);
        resolve(nothing(experiment, 'timeout'));
      };
      setTimeout(giveUp, left);
      ask(experiment, o).catch(() => nothing(experiment, '')).then((decision) => {
        // A page that was frozen meanwhile may run this before its timer.
        if (now() - begun > wait) giveUp();
        if (over) return track(decision, 'not_shown', { eventId: 'not_shown' });
        over = true;
        note(decision.reason);
        decision.reason = decision.reason || 'unavailable';
        if (decision.decision_id) {
          state.last[experiment] = decision;
          save();
        }
        resolve(decision);
      });
    });
  }

  function last(experiment) {
    const decision = state.last[experiment];
    return decision && Date.parse(decision.expires_at) > now() ? decision : nothing(experiment, 'none');
  }

  function track(decision, type, more) {
    const m = more || {};
    if (!decision || !decision.decision_id) return;
    enqueue({ id: random(), event: {
      event_id: '' + (m.eventId || random()),
      decision_id: decision.decision_id,
      type,
      amount: m.amount,
      currency: m.currency,
    } });
  }

  function shown(decision) {
    if (decision && decision.decision_id) enqueue({ id: random(), shown: decision.decision_id });
  }

  function enqueue(item) {
    state.queue.push(item);
    state.queue = state.queue.slice(-MOST_WAITING);
    save();
    if (!pause) send();
  }

  // Activations go one by one, events together.
  function batch() {
    const first = state.queue[0];
    return first.shown ? [first] : state.queue.filter((item) => item.event).slice(0, most);
  }

  const parcel = (items) => items[0].shown
    ? ['decisions/' + encodeURIComponent(items[0].shown) + '/activate', {}]
    : ['events', { events: items.map((item) => item.event) }];

  const isJudged = (events, answer, body) => events
    ? /202|422/.test(answer.status) && events.every((event, n) =>
      [event.event_id, null].includes(body.events[n].event_id) && /^(acc|dupl|rej)/.test(body.events[n].status))
    : answer.status === 204;

  async function send() {
    if (sending || !settings.service || !state.queue.length) return;
    sending = true;
    clearTimeout(retry);
    const items = batch();
    const [path, sent] = parcel(items);
    let done = false;
    let foreign;
    try {
      const answer = await post(path, sent, true);
      const body = await read(answer);
      foreign = !isLater(answer);
      done = isRefusal(answer, body) || isJudged(sent.events, answer, body);
    } catch (error) {
      // offline, blocked, gone, no receipts: later again
    }
    sending = false;
    pause = done ? 0 : Math.min(60000, pause * 2 || 1000);
    if (done || foreign) {
      // What something on the way never lets through goes last and holds up no other.
      const ids = new Set(items.map((item) => item.id));
      state.queue = state.queue.filter((item) => !ids.has(item.id)).concat(done ? [] : items);
      most = done ? 50 : items.length + 1 >> 1;
      save();
    }
    if (done) send();
    else retry = setTimeout(send, pause * (0.5 + Math.random() / 2));
  }

  // Nobody hears an answer any more, so everything stays in the queue for the next page as well.
  function leave() {
    if (leaving || !settings.service || !state.queue.length) return;
    leaving = true;
    const activations = state.queue.filter((item) => item.shown).map((item) => [item]);
    const events = state.queue.filter((item) => item.event);
    (events.length ? activations.concat([events]) : activations).forEach((items) => attempt(() => {
      const [path, body] = parcel(items);
      if (!nav.sendBeacon(address(path), JSON.stringify(body))) post(path, body, true);
    }));
  }

  // Meanwhile other pages of the session may have gone on.
  function back() {
    leaving = false;
    if (allowed()) load();
    send();
  }

  const whenVisible = (element, share, action) => {
    new w.IntersectionObserver((entries, observer) => {
      const entry = entries[entries.length - 1];
      action(entry.isIntersecting && entry.intersectionRatio >= share, observer);
    }, { threshold: share }).observe(element);
  };

  function watch(slot, decision) {
    const marker = d.createElement('span');
    marker.style.position = 'absolute';
    slot.insertBefore(marker, slot.firstChild);
    if (!w.IntersectionObserver) return shown(decision);
    whenVisible(marker, 0, (visible, observer) => {
      if (visible) {
        observer.disconnect();
        shown(decision);
      }
    });
  }

  function watchImpression(box, decision) {
    let timer;
    if (w.IntersectionObserver) whenVisible(box, 0.5, (visible, observer) => {
      clearTimeout(timer);
      if (visible) timer = setTimeout(() => {
        observer.disconnect();
        track(decision, 'impression', { eventId: 'impression' });
      }, 1000);
    });
  }

  const safe = (text) => attempt(() => {
    const url = new URL(text, d.baseURI);
    const own = url.protocol === 'http:' && url.origin === w.location.origin;
    return url.protocol === 'https:' || own ? url.href : undefined;
  });

  function build(slot, decision, o) {
    const offer = decision.offer;
    const part = (name, kind, text) => {
      const made = d.createElement(name);
      made.className = 'offer-' + kind;
      made.textContent = text;
      return box.appendChild(made);
    };
    const respond = (type, handler) => (event) => {
      track(decision, type, { eventId: type });
      if (handler) attempt(() => handler(decision, event));
    };
    const box = d.createElement('section');
    const title = String(offer.title || decision.arm);
    box.className = 'offer';
    box.setAttribute('aria-label', title);
    const source = offer.image && safe(offer.image);
    if (source) {
      const image = part('img', 'image', '');
      image.alt = '';
      image.src = source;
    }
    part('p', 'title', title);
    if (offer.text) part('p', 'text', offer.text);
    const language = d.documentElement.lang || undefined;
    const price = typeof offer.price === 'number' && attempt(() =>
      offer.price.toLocaleString(language, { style: 'currency', currency: offer.currency }));
    if (price) part('p', 'price', price);
    const target = offer.url && safe(offer.url);
    const accept = part(target ? 'a' : 'button', 'accept', o.acceptLabel || 'Yes, please');
    const dismiss = part('button', 'dismiss', o.dismissLabel || 'No, thanks');
    if (target) accept.href = target;
    else accept.type = 'button';
    dismiss.type = 'button';
    dismiss.setAttribute('aria-label', dismiss.textContent + ': ' + title);
    accept.addEventListener('click', respond('accept', o.accept));
    dismiss.addEventListener('click', () => {
      slot.removeChild(box);
      slot.tabIndex = -1;
      slot.focus();
    });
    dismiss.addEventListener('click', respond('dismiss', o.dismiss));
    slot.appendChild(box);
    watchImpression(box, decision);
    return box;
  }

  async function render(where, decision, options) {
    if (d.readyState === 'loading') await new Promise((go) => d.addEventListener('DOMContentLoaded', go));
    const slot = typeof where === 'string' ? d.querySelector(where) : where;
    slot.textContent = '';
    watch(slot, decision);
    return decision.offer && decision.arm !== 'nothing' ? build(slot, decision, options || {}) : null;
  }

  function init(given) {
    settings = Object.assign({}, given, { service: String(given.service || '').replace(/\/+$/, '') });
    setConsent(given.consent);
    send();
  }

  const commands = { init, consent: setConsent, last, track, shown, watch, render };

  function run(call, begun) {
    const name = call[0];
    if (name === 'decide') return decide(call[1], call[2], begun);
    return Promise.resolve(attempt(() => commands[name](call[1], call[2], call[3]))).catch(() => null);
  }

  function api() {
    return run(arguments, now());
  }
  api.version = 'VERSION';
  w.offers = api;
  attempt(() => stub.q.forEach((entry) => run(entry[0], entry[2]).then(entry[1])));

  w.addEventListener('pagehide', leave);
  w.addEventListener('pageshow', (event) => event.persisted && back());
  d.addEventListener('visibilitychange', () => d.visibilityState === 'hidden' ? leave() : back());
})(window, document);
