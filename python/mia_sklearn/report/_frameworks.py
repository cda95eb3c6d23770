"""What four guidelines ask of whoever releases a model, in our own words, and who answers it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FRAMEWORKS", "NOT_ANSWERED", "Topic"]


class Topic(NamedTuple):
    """Something that a guideline asks for.

    Attributes
    ----------
    framework : str
    heading : str
        Where it is asked for.
    asks : str
        What for, in our own words.
    answered_in : tuple of str
        Names of the parts of the annex that answer it, wholly or partly.
    left_open : str
        What remains to be answered elsewhere.
    """

    framework: str
    heading: str
    asks: str
    answered_in: tuple[str, ...]
    left_open: str


_EDPB = "EDPB Opinion 28/2024"
_ISO = "ISO/IEC 27559:2022"
_NIST = "NIST SP 800-226"
_SACRO = "SACRO output check"

FRAMEWORKS: tuple[Topic, ...] = (
    Topic(
        _EDPB,
        "Likelihood of identification (3.2)",
        "how likely it is that personal data are got out of the model, on purpose or not, by all "
        "means that are reasonably likely to be used",
        ("attacker", "risk", "attacks"),
        "which means are reasonably likely; extraction of data beside membership",
    ),
    Topic(
        _EDPB,
        "Design of the model (3.2.2)",
        "choice of sources, preparation and minimisation of data, choices of training that keep "
        "people from being recognised, measures on outputs",
        ("model",),
        "sources, minimisation, and the measures that were taken",
    ),
    Topic(
        _EDPB,
        "Testing and resistance to attacks (3.2.2)",
        "tests of the kinds known: membership and attribute inference, exfiltration, "
        "regurgitation, inversion, reconstruction, their scope and how often they are made",
        ("attacks", "risk", "doubts", "again"),
        "all kinds but membership inference",
    ),
    Topic(
        _EDPB,
        "Documentation (3.2.2)",
        "papers by which an authority can follow the assessment, an impact assessment among them",
        ("thresholds", "decision"),
        "the impact assessment, the advice of a data protection officer, the legal basis",
    ),
    Topic(
        _ISO,
        "6 Context assessment",
        "who gets the release, how they guard it, their motives and capacities, what may harm "
        "people, and who was told",
        ("model", "attacker"),
        "motives, contracts, technical surroundings, transparency, harms",
    ),
    Topic(
        _ISO,
        "7 Data assessment",
        "who the people are, what the data say of them, and which attacks are modelled: the "
        "greatest risk or an average one",
        ("unit", "attacks", "risk"),
        "the features of the data, one by one",
    ),
    Topic(
        _ISO,
        "8 Identifiability assessment and mitigation",
        "numbers for identifiability, attempts by adversaries, mitigation, and the same again "
        "after it",
        ("risk", "doubts", "thresholds", "again"),
        "mitigation; whoever is told to be a member must still be found in the world",
    ),
    Topic(
        _ISO,
        "9 Governance",
        "roles, policies, what is done before a release, after it, and in case of an incident",
        ("decision", "again"),
        "policies, monitoring of the release, a plan for incidents",
    ),
    Topic(
        _NIST,
        "Privacy parameter and unit of privacy",
        "which epsilon is promised, for what: one record, one person, a period of time",
        ("unit", "risk"),
        "the promise: an audit bounds epsilon from below only and proves no upper bound",
    ),
    Topic(
        _NIST,
        "Algorithms and their correctness",
        "that a mechanism does what its proof says, and what it costs in accuracy and fairness",
        ("risk",),
        "proofs and accounting; a lower bound above the promised epsilon shows an error in them",
    ),
    Topic(
        _NIST,
        "Threat model, security and collection of data",
        "who is trusted with what, side channels, access to the raw data",
        ("attacker", "model"),
        "security of systems, side channels, all that happens before training",
    ),
    Topic(
        _SACRO,
        "Description of the output",
        "what is to leave the research environment, made by whom, of which data, for what",
        ("model", "unit"),
        "the project and its permissions",
    ),
    Topic(
        _SACRO,
        "Structural risks",
        "parameters that let a model keep records: degrees of freedom, groups of few people, "
        "classes that disclose",
        ("risk",),
        "checks of parameters before training; files that hold records (support vectors, "
        "neighbours) tell them without any attack",
    ),
    Topic(
        _SACRO,
        "Attacks on the trained model",
        "worst-case and likelihood-ratio membership inference, attribute inference",
        ("attacks", "risk", "doubts"),
        "attribute inference (`mia_sklearn.disclosure`)",
    ),
    Topic(
        _SACRO,
        "Decision of the output checker",
        "release, refuse or ask for changes, with reasons, by someone else than the researcher",
        ("thresholds", "decision"),
        "",
    ),
)

NOT_ANSWERED: tuple[str, ...] = (
    "Whether processing the data, or releasing the model, is lawful: purpose, legal basis, "
    "information and consent.",
    "What else the model gives away: attributes of people, memorised texts, reconstructed records, "
    "properties of the whole data set.",
    "Whether an attacker who is stronger, knows more or is given more does better: a small number "
    "is evidence about the attacks that were run.",
    "Whether someone who is recognised as a member can be found in the world, and what that would "
    "do to them.",
    "What releases of other models or tables from the same data add to this one.",
    "Whether the data were lawfully gathered, represent anyone well, or serve the model's purpose.",
    "The security of the systems that hold the data and the model.",
)
