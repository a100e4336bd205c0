"""The process image: latest measurements, frozen once a cycle."""
