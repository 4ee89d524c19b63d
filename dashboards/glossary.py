"""Short explanations of the statistical words on the pages, shown on hover and on focus."""

from __future__ import annotations

from types import MappingProxyType

TERMS = MappingProxyType(
    {
        "uplift": "How much more reward a decision brings under this policy than under another "
        "one, here: than if nothing were ever shown. Below zero, showing nothing is better.",
        "reward": "One number per decision: the experiment's weights of everything that happened "
        "within the reward window. Higher is better.",
        "confidence sequence": "A band that holds at every moment at once: however often you "
        "look, in 95 of 100 experiments the truth never leaves it. It is wider than an ordinary "
        "confidence interval, which holds for one look only.",
        "policy": "A rule that says, for each situation, how likely each arm is to be shown.",
        "policy value": "The mean reward per decision if this policy had decided all along, "
        "estimated from the decisions that were really made.",
        "SNIPS": "Self-normalised inverse propensity score: a second, usually steadier estimate "
        "of the same value. Its interval is a normal one: right for a single look, too narrow "
        "for somebody who keeps looking.",
        "ESS": "Effective sample size: how many decisions this estimate is really worth. A policy "
        "very unlike the one that served borrows from few decisions, whatever the total.",
        "largest weight": "How much the single most influential decision counts. A large one "
        "beside a small effective sample size means that few shoppers carry the estimate.",
        "holdout": "Shoppers set aside by chance who always get nothing and never train a model. "
        "Comparing them with the rest needs no model and no assumption.",
        "unit": "Whose decisions belong together, usually one shopper.",
        "interaction": "A decision whose reward window has ended, joined with its reward.",
        "matured": "The reward window has ended, so the reward is final. Counting decisions "
        "earlier would make every estimate too low or too high.",
        "revision": "A saved change of the experiment, such as an arm added. Each one that changes "
        "what is decided is marked by a dotted line, because the numbers before and after answer "
        "different questions.",
        "as it was served": "The policy that produced the data: exploration, early learning and "
        "all. Its value is simply what happened.",
        "learned policy": "The serving policy, valued on each decision before it learns from it.",
        "restraint": "Showing few offers, and none to those who would regret one. Measured by how "
        "often nothing was shown, and by what shoppers did not like.",
        "propensity": "How likely the shown arm was at that moment. It is logged with every "
        "decision, so that any other policy can be valued on it.",
        "arm": "What can be shown; nothing is one of them.",
    }
)
