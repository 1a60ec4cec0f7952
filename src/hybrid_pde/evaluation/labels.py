"""What predictors are called in a report."""

LABELS = {
    "synthetic": "Synthetic model",
    "physical": "Physical model",
    "persistence": "Persistence",
}
