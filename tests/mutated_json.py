"""Good JSON files with one fault, for hypothesis: what a reader is to read or to refuse in one line."""

import copy
import json
import os

from hypothesis import strategies as st

# Examples of each reader; the variable is for a search that takes longer.
EXAMPLES = int(os.environ.get("OPEC_TF_EXAMPLES", "60"))

# What somebody's script, a wrong file or a slip of the hand puts where a number, a text or a list belongs.
_JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400]),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(
        [
            "",
            "1",
            "a\0",
            "\ud800",
            "../x.jpg",
            "00000000000000000000000000000099.jpg",
            "99999999999999999999.jpg",
            "x" * 5000,
        ]
    ),
    st.sampled_from([[], [[]], [None], [1], [1, "2"], [[1, 2], [3]], {}, {"id": 1}, [{}]]),
)


def texts(good):
    """Strategy: the text of a JSON file that is ``good`` but for one change, or for a few characters."""
    return st.one_of(_changed(good), _damaged(json.dumps(good)))


@st.composite
def _changed(draw, good):
    """One value anywhere in it is another, is missing, or is there twice."""
    data = copy.deepcopy(good)
    holders = list(_holders(data))
    holder, key = holders[draw(st.integers(0, len(holders) - 1))]
    change = draw(st.sampled_from(["other", "missing", "twice"]))
    if change == "other":
        holder[key] = draw(_JUNK)
    elif change == "missing":
        del holder[key]
    elif isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    else:
        holder[f"{key} "] = holder[key]
    return json.dumps(data)


@st.composite
def _damaged(draw, text):
    """Cut short, or with characters put in."""
    at = draw(st.integers(0, len(text)))
    insert = draw(st.sampled_from([None, "9" * 5000, "[" * 9000, "\0", ",", "é"]))
    return text[:at] if insert is None else text[:at] + insert + text[at:]


def _holders(data):
    """(list or object, index or key) of every value in it."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield data, key
        if isinstance(value, (dict, list)):
            yield from _holders(value)
