"""What is drawn: series, axes, colours and figures; a report goes in, a Plotly figure comes out."""
