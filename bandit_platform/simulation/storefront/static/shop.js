// The shop's own script: asks for the offer of the confirmation page and shows it.
'use strict';

if (typeof window.offers !== 'function' || !(window.offers.q || window.offers.version)) {
  const stub = window.offers = function () {
    const call = arguments, begun = Date.now();
    return new Promise(resolve => {
      stub.q.push([call, resolve, begun]);
      const wait = (call[2] || 0).timeout || 300;
      setTimeout(resolve, wait, { arm: 'nothing', offer: null, reason: 'unavailable' });
    });
  };
  stub.q = [];
}

const settings = document.currentScript.dataset;
window.offers('init', {
  service: settings.service,
  key: settings.key,
  consent: settings.consent === 'yes',
});

const slot = document.getElementById('offer');
if (slot) showOffer(slot);

function showOffer(slot) {
  const data = slot.dataset;
  window.offers('decide', data.experiment, {
    context: { ...JSON.parse(data.context), ...(data.device === 'yes' && { device: innerWidth < 600 ? 'mobile' : 'desktop' }) },
    personalContext: JSON.parse(data.personal),
    requestKey: data.requestKey,
    timeout: 1000,
  }).then(decision => {
    tell(decision);
    for (const field of document.querySelectorAll('input[name=decision]')) field.value = decision.decision_id || '';
    window.offers('render', slot, decision, {
      acceptLabel: 'Yes, add it',
      accept: (_, click) => {
        click.preventDefault(); // an offer's own address would lead out of the demo
        askToBuy(slot, decision);
      },
      dismiss: () => fetch(data.dismissed, { method: 'POST', keepalive: true }),
    });
  });
}

function askToBuy(slot, decision) {
  const form = document.getElementById('extra');
  form.elements.arm.value = decision.arm;
  document.getElementById('extra-title').textContent = decision.offer.title || decision.arm;
  document.getElementById('extra-buy').textContent = `Buy${priceOf(decision.offer)} (pretended)`;
  slot.hidden = true;
  form.hidden = false;
  document.getElementById('extra-title').focus();
}

function priceOf({ price, currency }) {
  if (typeof price !== 'number') return '';
  try {
    return ` for ${price.toLocaleString('en-GB', { style: 'currency', currency: currency || 'GBP' })}`;
  } catch {
    return ''; // no currency that the browser knows
  }
}

function tell(decision) {
  const list = document.getElementById('answer');
  const line = (name, value) => {
    const row = list.appendChild(document.createElement('div'));
    row.appendChild(document.createElement('dt')).textContent = name;
    row.appendChild(document.createElement('dd')).textContent = value;
  };
  line('Shown', decision.arm);
  line('Why', decision.reason);
  for (const [arm, share] of Object.entries(decision.pmf || {})) line(`Probability of ${arm}`, share.toFixed(3));
  if (decision.decision_id) line('Decision', decision.decision_id);
}
