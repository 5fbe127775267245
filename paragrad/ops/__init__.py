"""Operations and their gradient rules, each rule next to the operation it belongs to.

Modules listed in ``registry.rules`` attach themselves to the generated operators by name.
"""
