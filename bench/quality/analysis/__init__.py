"""What the programs of an arm are worth: shares passed, costs of a passed task, tests of a difference. Pure."""
