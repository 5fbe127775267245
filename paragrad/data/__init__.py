"""Rows of data: read from files, taken from Python, split without leaks, and loaded in batches."""

from paragrad.data.adopting import loader_of
from paragrad.data.dataset import Dataset
from paragrad.data.loader import DataLoader
from paragrad.data.reading import read
from paragrad.data.rows import rows

__all__ = ["DataLoader", "Dataset", "loader_of", "read", "rows"]
