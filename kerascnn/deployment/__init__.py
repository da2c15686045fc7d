"""Deploys exported files to other servers and to the Hugging Face Hub."""
